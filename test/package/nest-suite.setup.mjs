// Of scripts/check-nest-suite.mjs: every application of Nest's tests imports the module.
import { Test } from '@nestjs/testing';
import { SseModule } from 'nestjs-event-stream';

if (process.env.SSE_MODULE === 'with') {
  const create = Test.createTestingModule.bind(Test);
  Test.createTestingModule = ({ imports = [], ...metadata }, ...rest) =>
    create({ ...metadata, imports: [...imports, SseModule.forRoot()] }, ...rest);
}
