#!/usr/bin/env node
/**
 * tally-agent: at the edge. Reads sources, signs what they say, and keeps it until a receipt for it was verified.
 *
 * What a command needs is loaded when it runs: a gateway has little memory, and starts after every power cut.
 *
 * @module
 */
import process from "node:process";
import { EXIT, runCommand, type Command } from "@tallystick/evidence/node";
import { VERSION } from "./self/version.ts";

const CONFIG = { config: { type: "string", short: "c" } } as const;
const JSON_OUT = { json: { type: "boolean" } } as const;
const KEY = { ...CONFIG, ...JSON_OUT, key: { type: "string" } } as const;
const WHERE =
  "Without --config, TALLYSTICK_CONFIG names the configuration, else it is /etc/tallystick/agent.yaml.";

const COMMANDS: Readonly<Record<string, Command>> = {
  run: {
    summary: "read, sign, keep and deliver until asked to stop",
    usage: "[--config FILE]",
    details: `${WHERE}\nLogs go to stderr. SIGINT and SIGTERM stop it cleanly: what is pending is sealed, heads are told.`,
    options: CONFIG,
    run: async (given) => (await import("./run.ts")).runAgent(given),
  },
  "key make": {
    summary: "make the device's key; an existing one is never overwritten",
    usage: "[--key FILE | --config FILE] [--type p256|ed25519] [--json]",
    details: `Prints the key's id and its public half, for tally-anchor enrol. Where the configuration has pkcs11, the key is made in the token
and never leaves it: p256, unless --type says otherwise. In a file it is ed25519.\n${WHERE}`,
    options: { ...KEY, type: { type: "string" } },
    run: async (given) => (await import("./commands/key.ts")).makeKey(given),
  },
  "key print": {
    summary: "print the key's id and public half",
    usage: "[--key FILE | --config FILE] [--json]",
    details: WHERE,
    options: KEY,
    run: async (given) => (await import("./commands/key.ts")).printKey(given),
  },
  "key rotate": {
    summary: "make the device's next key; the agent hands over to it",
    usage: "[--config FILE] [--type p256|ed25519] [--json]",
    details: `The old key's last word names the new one and where each stream stands; from there on the new one signs. The old key is destroyed (in a token:
left, and told of) when the log took a statement of the new one in. tally-agent status shows a rotation under way.\n${WHERE}`,
    options: { ...KEY, type: { type: "string" } },
    run: async (given) => (await import("./commands/key.ts")).rotateKey(given),
  },
  status: {
    summary: "show streams, outbox, receipts, rejections and alarms, also while the agent runs",
    usage: "[--config FILE] [--json]",
    details: `Exit code 1 if there is an alarm.\n${WHERE}`,
    options: { ...CONFIG, ...JSON_OUT },
    run: async (given) => (await import("./commands/status.ts")).runStatus(given),
  },
  enrol: {
    summary: "enrol this device with an invite: key, registry, configuration, and the first receipt",
    usage: "[INVITE | FILE | -] [--config FILE] [--data DIR] [--cert FILE] [--no-wait] [--unbound] [--json]",
    details: `INVITE is the line that tally-anchor invite printed; without it, it is asked for (or read from standard input), so that it stays out of the shell's
history. Run again after an interruption it goes on where it was. The key is made here and never leaves; one that is there is used.
  --data DIR    the data folder that a new configuration names
  --cert FILE   for a broker that lets nobody in without a client certificate: where this device's is, or will be; it is made for the device's own key, once that
                is in the registry, and waited for
  --no-wait     do not wait for an operator, nor for a certificate; exit code 3 where one of them is missing
  --unbound     do not bind the enrolment to this machine: for a container that moves
Exit code 3 also where the device is enrolled, and was interrupted before the first receipt.\n${WHERE}`,
    takes: Infinity,
    options: {
      ...CONFIG,
      ...JSON_OUT,
      data: { type: "string" },
      cert: { type: "string" },
      "no-wait": { type: "boolean" },
      unbound: { type: "boolean" },
    },
    run: async (given) => (await import("./enrol/enrol.ts")).runEnrol(given),
  },
  machine: {
    summary: "show by what this machine is known, and whether the device was enrolled on it",
    usage: "[--moved] [--config FILE] [--json]",
    details: `Exit code 1 where the device was enrolled on another machine.
  --moved       it is the same device on this machine, after a repair: bind it to this one. Not for a copy of its disk: two machines with
                one key sign against each other, and the log keeps the proof\n${WHERE}`,
    options: { ...CONFIG, ...JSON_OUT, moved: { type: "boolean" } },
    run: async (given) => (await import("./commands/machine.ts")).runMachine(given),
  },
  doctor: {
    summary: "look at everything that the agent needs, also while it runs; nothing is changed",
    usage: "[--config FILE] [--json]",
    details: `Each line is OK, WARN, FAIL or ?, what was seen, and what to do. Exit code 1 if something has to be put right (FAIL), 3 if something
that matters could not be seen (?), else 0.\n${WHERE}`,
    options: { ...CONFIG, ...JSON_OUT },
    run: async (given) => (await import("./doctor/doctor.ts")).runDoctor(given),
  },
  decode: {
    summary: "print the readings of a captured frame; nothing is sent",
    usage: "--kind KIND [--map FILE] [FILE]",
    details: `KIND is p1 or exec (lines of JSON, docs/exec.md). FILE holds frames as received or as hexadecimal text; without it, standard input.
Prints one JSON object for each reading: n (name), u (unit), v (exact number) or vs (text as sent), t (UTC, or null where the
device gives no time or no zone), q (what is known against it); for each event its members. Exit code 1 if any frame was bad; the good ones
are still printed.`,
    takes: 1,
    options: { kind: { type: "string" }, map: { type: "string" } },
    run: async (given) => (await import("./commands/decode.ts")).runDecode(given),
  },
  "config check": {
    summary: "check the configuration; every fault with its line",
    usage: "[--config FILE]",
    details: WHERE,
    options: CONFIG,
    run: async (given) => (await import("./commands/config.ts")).checkConfig(given),
  },
  "config migrate": {
    summary: "bring an older configuration up to date",
    usage: "[--config FILE]",
    details: WHERE,
    options: CONFIG,
    run: async (given) => (await import("./commands/config.ts")).migrateConfig(given),
  },
};

const code = await runCommand("tally-agent", VERSION, COMMANDS, process.argv.slice(2));
// At once: on an ordinary way out Node closes what is still open, and a database that the disk refused must not be touched again.
if (code === EXIT.failed) process.exit(code);
process.exitCode = code;
