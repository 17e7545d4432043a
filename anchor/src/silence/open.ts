/**
 * The watch for silence of one anchor: its file, and where alarms go.
 *
 * @module
 */
import type { Logger } from "pino";
import { postTo, readSecret, readText, type Hook } from "@tallystick/evidence/node";
import { placesOf, type Config } from "../config.ts";
import type { OpenLog } from "../log/open-log.ts";
import { machineTime } from "../time.ts";
import { pastOf } from "./past.ts";
import { Silence } from "./stage.ts";
import { openAlarms } from "./store.ts";
import { Webhook } from "./webhook.ts";

export type SilenceOptions = {
  readonly config: Config;
  readonly opened: OpenLog;
  readonly logger: Logger;
  readonly nowUnixS: () => number;
};

/** @throws EvidenceError `key-file-unreadable`, `key-file-mode` of the secret; `storage-newer`, `storage-failed` */
export function openSilence({ config, opened, logger, nowUnixS }: SilenceOptions): {
  readonly silence: Silence;
  readonly close: () => void;
} {
  const hook = hookOf(config.alarms);
  const { keys, log, sequencer } = opened;
  const store = openAlarms(placesOf(config).alarms);
  const told = (fault: string | undefined): void => {
    if (fault === undefined) logger.info({ webhook: hook?.url }, "alarms are taken again");
    else logger.warn({ webhook: hook?.url, fault }, "an alarm was not taken; trying on");
  };
  const webhook =
    hook &&
    new Webhook({
      post: postTo(hook),
      secret: hook.secret,
      origin: log.origin,
      store,
      timer: machineTime,
      nowUnixS,
      told,
    });
  const silence = new Silence({
    settings: config.alarms,
    keys,
    pastOf: pastOf(opened.store),
    store,
    webhook,
    time: machineTime,
    nowUnixS,
    held: (iss) => keys.ended !== undefined || sequencer.recovery.holds(iss),
  });
  return { silence, close: () => store.close() };
}

/** Where alarms go; undefined where they go nowhere. @throws EvidenceError `key-file-unreadable`, `key-file-mode` */
export function hookOf({ webhook, secretFile, ca }: Config["alarms"]): Hook | undefined {
  if (webhook === undefined || secretFile === undefined) return undefined;
  return { url: webhook, secret: readSecret(secretFile), ...(ca !== undefined && { ca: readText(ca) }) };
}
