/**
 * `tally-anchor approve`: what waits for an operator, and the operator's word. His key may be here, or on another machine: then the requests go there in one file, and the items
 * come back in another.
 *
 * @module
 */
import { existsSync } from "node:fs";
import process from "node:process";
import { EvidenceError, toHex, type Enrolment } from "@tallystick/evidence";
import {
  EXIT,
  loadSigner,
  readBounded,
  UsageError,
  writeDurable,
  type Arguments,
  type Command,
} from "@tallystick/evidence/node";
import { placesOf, type Places } from "../config.ts";
import { approve as grantHere } from "../enrolment/approval.ts";
import {
  bringItems,
  exportRequests,
  holdsItems,
  MAX_ITEMS_BYTES,
  readItems,
  signBatch,
} from "../enrolment/elsewhere.ts";
import { decodeBatch, type Request } from "../enrolment/request.ts";
import { nameOf, requestNamed, RequestStore, type Listed, type Standing } from "../enrolment/requests.ts";
import { PublishedRegistry } from "../registry/published-registry.ts";
import type { Submitted } from "../registry/submit.ts";
import { CONFIG_DETAILS, CONFIG_OPTIONS, CONFIG_USAGE, configOf, nowUnixS, text } from "./config-option.ts";
import { taken } from "./submit.ts";

/** A request's own file: it is meant by its name. */
const STORED = /(?:^|\/)enrol-[^/]*\.cbor$/;

export const approve: Command = {
  summary: "List what asks to be enrolled; approve it, refuse it, or take it to an operator's key elsewhere",
  usage: `[NAME… [--key KEYFILE] [--wait]] | --refuse NAME… --reason TEXT | --export FILE [NAME…] | FILE [--key KEYFILE -o FILE] | FILE [--wait] [--json] ${CONFIG_USAGE}`,
  details: `  without a name  list what waits, with the id of each key: the device shows the same
  NAME            a request of the list, or a device (ORG/DEVICE): signed by the operator's key that is here, or by --key
  --refuse        refuse it; the device is told the reason. What was approved already can't be (exit 1): revoke the key
  --export FILE   write the requests, all that wait or those named, for an operator whose key is elsewhere
  FILE            of --export, on the operator's machine: shows what is in it; with --key and -o, signs all of it
  FILE            that came back from there: brings the items to the anchor
  --wait          wait until the anchor has taken it (exit 1 if it refused)
  --json          what waits, one JSON object a line
${CONFIG_DETAILS}`,
  takes: Infinity,
  options: {
    ...CONFIG_OPTIONS,
    key: { type: "string" },
    out: { type: "string", short: "o" },
    export: { type: "string" },
    refuse: { type: "boolean" },
    reason: { type: "string" },
    wait: { type: "boolean" },
    json: { type: "boolean" },
  },
  async run(given) {
    const { values, positionals } = given;
    const [file, ...more] = positionals;
    const isFile = file !== undefined && !STORED.test(file) && existsSync(file) && values["refuse"] !== true;
    if (isFile && text(values, "export") === undefined) {
      if (more.length > 0) throw new UsageError("one file at a time");
      await withFile(file, given);
      return EXIT.good;
    }
    const places = placesOf(configOf(given));
    const store = new RequestStore(places.requests, places.inbox);
    const out = text(values, "export");
    if (values["refuse"] === true) await refuse(positionals, store, text(values, "reason"), places);
    else if (out !== undefined) await exportTo(out, positionals, store, places);
    else if (positionals.length === 0) list(store.list(), values["json"] === true);
    else await approveHere(positionals, store, places, given);
    return EXIT.good;
  },
};

function list(all: readonly Listed[], json: boolean): void {
  for (const { name, request, standing } of all) {
    process.stdout.write(
      json
        ? `${JSON.stringify({ name, ...asJson(request), ...standing })}\n`
        : `${words(request)}\n    ${name}: ${inWords(standing)}\n`,
    );
  }
  if (all.length === 0 && !json) process.stdout.write("nothing waits\n");
}

async function refuse(
  names: readonly string[],
  store: RequestStore,
  reason: string | undefined,
  places: Places,
): Promise<void> {
  if (names.length === 0) throw new UsageError("name what is refused");
  if (reason === undefined) throw new UsageError("--reason is missing: the device is told why");
  const meant = names.map((one) => requestNamed(store, one));
  const before = await registryOf(places);
  for (const { request, standing } of meant)
    if (standing.state === "approved" || before.hasKey(request.key)) throw tooLate(request);
  for (const { name, request } of meant) {
    await store.refused(name, reason);
    // The running anchor may have approved it this moment.
    if ((await registryOf(places)).hasKey(request.key)) {
      store.withdrawRefusal(name);
      throw tooLate(request);
    }
    process.stdout.write(`refused: ${request.device} ${name}\n`);
  }
}

/** A refusal changes nothing any more: the item is signed. */
const tooLate = ({ device, key }: Request): EvidenceError =>
  new EvidenceError(
    "key-exists",
    `${device}: approved already, which no refusal undoes: revoke the key (tally-anchor revoke --kid ${toHex(key.kid).slice(0, 16)})`,
  );

async function exportTo(
  out: string,
  names: readonly string[],
  store: RequestStore,
  places: Places,
): Promise<void> {
  const listed =
    names.length > 0
      ? names.map((one) => requestNamed(store, one))
      : store.list().filter(({ standing: { state } }) => state === "waiting" || state === "failed");
  if (listed.length === 0) throw new UsageError("nothing waits");
  const registry = await registryOf(places);
  await writeDurable(
    out,
    exportRequests(
      listed.map(({ request }) => request),
      registry,
    ),
  );
  for (const { request } of listed) process.stdout.write(`${words(request)}\n`);
  process.stderr.write(
    `${out}: on the operator's machine: tally-anchor approve ${out} --key KEYFILE -o ITEMS; then here: tally-anchor approve ITEMS\n`,
  );
}

async function approveHere(
  names: readonly string[],
  requests: RequestStore,
  places: Places,
  { values }: Arguments,
): Promise<void> {
  if (text(values, "out") !== undefined)
    throw new UsageError("-o is for a file of requests: --export writes one");
  const signer = loadSigner(text(values, "key") ?? places.operatorKey);
  const read = (): Promise<PublishedRegistry> => PublishedRegistry.read(places.public);
  for (const listed of names.map((one) => requestNamed(requests, one))) {
    const submitted = await grantHere(listed, { signer, requests, read, inbox: places.inbox, nowUnixS });
    if (submitted === undefined) process.stdout.write(`approved already: ${listed.request.device}\n`);
    else await tell(submitted, listed.request, values["wait"] === true);
  }
}

/** Requests that go to an operator, or the items that came back. */
async function withFile(file: string, given: Arguments): Promise<void> {
  const { values } = given;
  const bytes = (await readBounded(file, MAX_ITEMS_BYTES, file)) ?? new Uint8Array();
  if (holdsItems(bytes)) {
    await bringBack(bytes, given);
    return;
  }
  const batch = decodeBatch(bytes);
  const [keyFile, out] = [text(values, "key"), text(values, "out")];
  if ((keyFile === undefined) !== (out === undefined))
    throw new UsageError("give both --key and -o, or neither to look at it");
  for (const request of batch.requests) {
    process.stdout.write(
      values["json"] === true ? `${JSON.stringify(asJson(request))}\n` : `${words(request)}\n`,
    );
  }
  if (keyFile === undefined || out === undefined) return;
  await writeDurable(out, await signBatch(batch, loadSigner(keyFile), nowUnixS()));
  process.stderr.write(
    `${out}: ${batch.requests.length} signed; at the anchor: tally-anchor approve ${out}\n`,
  );
}

async function bringBack(bytes: Uint8Array, given: Arguments): Promise<void> {
  const places = placesOf(configOf(given));
  const store = new RequestStore(places.requests, places.inbox);
  await bringItems(readItems(bytes), await registryOf(places), places.inbox, async (submitted, enrolment) => {
    const { file, statement } = submitted;
    await store.approved(nameOf(enrolment), { file, hash: statement.hash });
    await tell(submitted, enrolment, given.values["wait"] === true);
  });
}

async function registryOf({ public: publicFolder, inbox }: Places): Promise<PublishedRegistry> {
  const registry = await PublishedRegistry.read(publicFolder);
  await registry.addWaiting(inbox);
  return registry;
}

async function tell(submitted: Submitted, { device }: Enrolment, wait: boolean): Promise<void> {
  const { file, statement } = submitted;
  process.stdout.write(
    `registry item ${statement.claims.seq} ${toHex(statement.hash)} enrols ${device}: ${file}\n`,
  );
  if (wait) await taken(submitted);
}

/** A request in a line: what the operator compares with what the device shows. hostile: the file may come from anywhere. */
const words = ({ device, key, streams, silenceS, machine, reason }: Request): string =>
  `${device}  key ${toHex(key.kid)}  streams ${streams.join(",")}  silence ${silenceS} s  ${machine === undefined ? "no machine" : `machine ${toHex(machine).slice(0, 16)}…`}${reason === undefined ? "" : `  re-enrol: ${reason.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\u{fffd}")}`}`;

const asJson = ({ device, key, streams, silenceS, machine, reason, atUnixS }: Request): object => ({
  device,
  kid: toHex(key.kid),
  streams,
  silenceS,
  machine: machine === undefined ? null : toHex(machine),
  reEnrol: reason ?? null,
  asked: new Date(atUnixS * 1000).toISOString(),
});

const inWords = (standing: Standing): string => {
  switch (standing.state) {
    case "waiting":
      return "waits for an operator";
    case "approved":
      return "approved; the anchor has yet to take it";
    case "refused":
      return `refused: ${standing.reason}`;
    case "failed":
      return `approved, and refused by the registry: ${standing.reason} [${standing.code}]`;
  }
};
