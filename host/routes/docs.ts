import type { App } from '../app.ts'
import { ERRORS_PAGE } from '../errors-explained.ts'
import { docsPage, errorsPage } from '../pages/docs.ts'

/** Pages that explain; they are the same for everybody, so whoever was refused can read why. */
export function addDocs(app: App): void {
  app.get('/docs', (c) => c.html(docsPage()))
  app.get(ERRORS_PAGE, (c) => c.html(errorsPage()))
}
