/**
 * The log, as the agent's stages see it; pino's logger fits.
 *
 * @module
 */
export type Log = {
  info(about: object, message: string): void;
  warn(about: object, message: string): void;
  error(about: object, message: string): void;
};
