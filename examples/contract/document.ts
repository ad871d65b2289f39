import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { withItemSchemas } from 'nestjs-event-stream/swagger';

export function serveDocument(app: INestApplication): void {
  const config = new DocumentBuilder().setOpenAPIVersion('3.2.0').build();
  SwaggerModule.setup('api', app, () => withItemSchemas(SwaggerModule.createDocument(app, config)));
}
