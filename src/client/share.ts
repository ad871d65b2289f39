import type { openLink } from './link.js';
export const sharedBy = (identity: string | boolean): typeof openLink => {
  throw new Error(String(identity));
};
