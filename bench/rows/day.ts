/**
 * A gateway's day: what its flash and its SIM card have to take. The day passes in seconds (bench/day.ts): the agent's own code, a real disk, a
 * clock that jumps, a log of a million entries.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import type { DayOptions, DayResult } from "../day.ts";
import { REGISTER_COUNT } from "../meter.ts";
import type { Context, Figure, Row } from "../figures.ts";

const SCRIPT = join(import.meta.dirname, "..", "day.ts");
const MB = 1e6;

async function aDay(
  context: Context,
  options: Omit<DayOptions, "folder" | "hours">,
): Promise<DayResult & { hours: number }> {
  const hours = context.quick ? 3 : 24;
  const name = `day-${options.meter}-${options.metered ? "metered" : "default"}`;
  const folder = join(context.folder, name);
  mkdirSync(folder);
  context.say(`${hours} hours of an agent: ${name}`);
  const given: DayOptions = { ...options, hours, folder };
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, JSON.stringify(given)]);
  const result = JSON.parse(stdout) as DayResult;
  // What is sealed last may be on its way.
  if (result.waiting > 2) throw new Error(`${result.waiting} statements got no receipt`);
  return { ...result, hours };
}

const passed = ({ hours, telegrams, statements, statementBytes }: DayResult & { hours: number }): string =>
  `${hours === 24 ? "a day" : `${hours} hours, extrapolated,`} of virtual time: ${telegrams} telegrams, ${statements} statements ` +
  `of ${Math.round(statementBytes / statements)} bytes on average, all receipted`;

export const flash: Row = {
  name: "flash",
  what: "bytes written to flash a day: one P1 meter, a telegram a second, default settings",
  async run(context): Promise<readonly Figure[]> {
    const day = await aDay(context, { metered: false, meter: "household", telegramEveryS: 1 });
    return [
      {
        what: "bytes written to flash a day",
        value: (day.bytesWritten / MB) * (24 / day.hours),
        unit: "MB",
        budget: { atMost: 300 },
        notes: [
          `${passed(day)}; a household's meter of 29 readings a telegram, one telegram a minute taken`,
          "write_bytes of /proc/PID/io, every commit with its fsync on this disk; what the file system writes for itself is not in it",
        ],
      },
    ];
  },
};

export const air: Row = {
  name: "air",
  what: `bytes on the air a day: one meter of ${REGISTER_COUNT} registers, a log of 10^6 entries`,
  async run(context): Promise<readonly Figure[]> {
    const figure = async (metered: boolean, atMost: number): Promise<Figure> => {
      const day = await aDay(context, { metered, meter: "ten", telegramEveryS: 10 });
      const { up, down, mqtt, messages, pings } = day.air;
      const aDayOf = (bytes: number): number => (bytes / MB) * (24 / day.hours);
      return {
        what: `bytes on the air a day, both ways, ${metered ? "metered" : "default"}`,
        value: aDayOf(up + down),
        unit: "MB",
        budget: { atMost },
        notes: [
          passed(day),
          `${messages} messages up, as many receipts down, ${pings} pings; up ${aDayOf(up).toFixed(2)} MB, down ${aDayOf(down).toFixed(2)} MB ` +
            `with TCP/IP and TLS 1.3; MQTT packets alone ${aDayOf(mqtt).toFixed(2)} MB; computed from the packets, without the handshakes of a new connection`,
        ],
      };
    };
    return [await figure(false, 4), await figure(true, 0.4)];
  },
};
