// Writes what each entry of the package promises to the compiler: etc/NAME.api.md. A change of a public type is a
// change of that file, to be seen in review. With --check it writes nothing, and fails when a file is not current.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, sep } from 'node:path';
import ts from 'typescript';
import { entries, root } from './entries.mjs';

const NAMED =
  ts.SymbolFlags.Interface |
  ts.SymbolFlags.TypeAlias |
  ts.SymbolFlags.Class |
  ts.SymbolFlags.Enum |
  ts.SymbolFlags.BlockScopedVariable;
const folder = join(root, 'etc');
const reports = new Map(reportsOf(declarations()));
const stale = [...reports].filter(([file, text]) => contentOf(file) !== text);
const surplus = (existsSync(folder) ? readdirSync(folder) : []).filter(
  (file) => file.endsWith('.api.md') && !reports.has(file),
);

if (!process.argv.includes('--check')) {
  mkdirSync(folder, { recursive: true });
  for (const [file, text] of stale) writeFileSync(join(folder, file), text);
  for (const file of surplus) rmSync(join(folder, file));
} else if (stale.length + surplus.length > 0) {
  const names = [...stale.map(([file]) => file), ...surplus].join(', ');
  console.error(
    `The public API has changed: ${names}. Run 'npm run api', and commit what it writes.`,
  );
  process.exitCode = 1;
}

function contentOf(file) {
  const path = join(folder, file);
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

/** What the build would put into `dist`, as a program. */
function declarations() {
  const { fileNames, options: given } = ts.getParsedCommandLineOfConfigFile(
    join(root, 'tsconfig.build.json'),
    {},
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: fail },
  );
  const options = { ...given, emitDeclarationOnly: true, noCheck: true };
  const host = ts.createCompilerHost(options, true);
  const parsed = new Map();
  const { directoryExists, fileExists, readFile, getSourceFile } = host;
  host.getSourceFile = (path, ...rest) => {
    if (!parsed.has(path)) parsed.set(path, getSourceFile(path, ...rest));
    return parsed.get(path);
  };
  const written = new Map();
  ts.createProgram(fileNames, options, host).emit(undefined, (path, text) => {
    written.set(join(path), text);
  });
  const folders = new Set([...written.keys()].map((path) => dirname(path)));
  host.directoryExists = (path) => folders.has(join(path)) || directoryExists(path);
  host.fileExists = (path) => written.has(join(path)) || fileExists(path);
  host.readFile = (path) => written.get(join(path)) ?? readFile(path);
  return ts.createProgram([...written.keys()], { ...options, paths: {} }, host);
}

function fail({ messageText }) {
  throw new Error(ts.flattenDiagnosticMessageText(messageText, '\n'));
}

function reportsOf(program) {
  const checker = program.getTypeChecker();
  const all = entries().map(({ name, file }) => {
    const source = program.getSourceFile(join(root, 'dist', `${file}.d.ts`));
    return { name, exported: checker.getExportsOfModule(checker.getSymbolAtLocation(source)) };
  });
  const known = new Set(
    all.flatMap(({ exported }) => exported.map((each) => origin(checker, each))),
  );
  return all.map(({ name, exported }) => {
    const title = name === '.' ? 'nestjs-event-stream' : `nestjs-event-stream${name.slice(1)}`;
    const own = name === '.' ? 'index' : name.slice(2).replaceAll('/', '-');
    return [`${own}.api.md`, report(title, describe(checker, exported, known))];
  });
}

/** The declarations of what is exported, and of the types that they lead to and that no entry exports. */
function describe(checker, exported, known) {
  const reached = new Set(exported.map((symbol) => origin(checker, symbol)));
  const inner = [];
  for (const symbol of reached) {
    if (!known.has(symbol)) inner.push(symbol);
    for (const declaration of ownDeclarations(symbol)) {
      for (const used of typesIn(checker, declaration, known)) {
        if (!known.has(used)) reached.add(used);
      }
    }
  }
  return {
    exports: exported.map((symbol) => {
      const declared = origin(checker, symbol);
      return declared.name === symbol.name
        ? [symbol.name, print(checker, declared, known)]
        : [symbol.name, `export { ${declared.name} as ${symbol.name} };`];
    }),
    inner: inner.map((symbol) => [symbol.name, print(checker, symbol, known)]),
  };
}

function origin(checker, symbol) {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

/** Those in this package; others have reports of their own, or none. */
function ownDeclarations(symbol) {
  const dist = join(root, 'dist') + sep;
  return (symbol.declarations ?? []).filter(
    (node) => join(node.getSourceFile().fileName).startsWith(dist) && !ts.isSourceFile(node),
  );
}

/** What a declaration names of this package, outside of what is hidden. */
function typesIn(checker, declaration, known) {
  const found = [];
  const visit = (node) => {
    if (isHidden(checker, node, known)) return;
    const target = ts.isIdentifier(node) && declaredBy(checker, node);
    if (target) found.push(target);
    ts.forEachChild(node, visit);
  };
  visit(declaration);
  return found;
}

/** The type or constant of this package that an identifier stands for. */
function declaredBy(checker, identifier) {
  const symbol = checker.getSymbolAtLocation(identifier);
  const target = symbol && origin(checker, symbol);
  return target && target.flags & NAMED && ownDeclarations(target).length > 0 ? target : undefined;
}

/** Private members, and constructors that nobody else can call, because they take what is not exported. */
function isHidden(checker, node, known) {
  if (ts.isConstructorDeclaration(node)) {
    const takes = node.parameters.flatMap(({ type }) => (type ? typeNames(type) : []));
    return takes.some((name) => {
      const target = declaredBy(checker, name);
      return target !== undefined && !known.has(target) && target.flags & ts.SymbolFlags.Class;
    });
  }
  const isPrivate =
    ts.canHaveModifiers(node) &&
    ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.PrivateKeyword) === true;
  return isPrivate || (node.name !== undefined && ts.isPrivateIdentifier(node.name));
}

function typeNames(node) {
  const names = [];
  const visit = (each) => {
    if (ts.isIdentifier(each)) names.push(each);
    ts.forEachChild(each, visit);
  };
  visit(node);
  return names;
}

/** A declaration without comments and without what is hidden. */
function print(checker, symbol, known) {
  const printer = ts.createPrinter({ removeComments: true });
  const withoutHidden = (context) => {
    const visit = (node) =>
      ts.isClassElement(node) && isHidden(checker, node, known)
        ? undefined
        : ts.visitEachChild(node, visit, context);
    return (node) => ts.visitNode(node, visit);
  };
  return ownDeclarations(symbol)
    .map((declaration) => {
      const node = ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
      const { transformed } = ts.transform(node, [withoutHidden]);
      return printer.printNode(ts.EmitHint.Unspecified, transformed[0], node.getSourceFile());
    })
    .join('\n');
}

function report(title, { exports, inner }) {
  const block = (pairs) =>
    pairs
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, text]) => `### ${name}\n\n\`\`\`ts\n${text}\n\`\`\`\n`)
      .join('\n');
  const rest =
    inner.length === 0 ? '' : `\n## Not exported, and part of the above\n\n${block(inner)}`;
  return `# ${title}\n\nWritten by \`npm run api\`; not to be edited.\n\n## Exported\n\n${block(exports)}${rest}`;
}
