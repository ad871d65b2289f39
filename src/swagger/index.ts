/** What is looked at of an OpenAPI document. */
interface OpenApiDocument {
  readonly openapi: string;
  readonly paths: object;
}

type Responses = Record<string, { content?: Record<string, Record<string, unknown>> }>;

/**
 * The document with what `@SseEvents()` says in the words of its version: from OpenAPI 3.2 on each event
 * stream has an `itemSchema`; before, where there is no word for it, the document is returned as it is.
 *
 * @example withItemSchemas(SwaggerModule.createDocument(app, new DocumentBuilder().setOpenAPIVersion('3.2.0').build()))
 */
export function withItemSchemas<Document extends OpenApiDocument>(document: Document): Document {
  const [major = 0, minor = 0] = document.openapi.split('.').map(Number);
  if (major < 3 || (major === 3 && minor < 2)) return document;
  const copy = structuredClone(document);
  const paths = Object.values(copy.paths) as Record<
    string,
    { responses?: Responses } | undefined
  >[];
  const operations = paths.flatMap((path) => Object.values(path));
  for (const { content } of operations.flatMap((each) => Object.values(each?.responses ?? {}))) {
    const stream = content?.['text/event-stream'];
    if (content === undefined || stream?.['x-itemSchema'] === undefined) continue;
    content['text/event-stream'] = { itemSchema: stream['x-itemSchema'] };
  }
  return copy;
}
