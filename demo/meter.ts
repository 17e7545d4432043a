/**
 * A smart meter for the demonstration: DSMR 5 telegrams on a TCP socket, as a P1 adapter would serve them.
 * The registers rise as a household's do; the ids say that no such meter exists. It shares no code with the agent.
 *
 * @module
 */
import { once } from "node:events";
import { createServer, type AddressInfo, type Server, type Socket } from "node:net";

/** What the meter shows. Registers are whole watt-hours and litres: a meter has no binary fractions. */
export type MeterState = {
  readonly importWh: readonly [tariff1: number, tariff2: number];
  readonly exportWh: readonly [tariff1: number, tariff2: number];
  /** 1 or 2. */
  readonly tariff: 1 | 2;
  readonly powerW: readonly [l1: number, l2: number, l3: number];
  readonly voltageDv: readonly [l1: number, l2: number, l3: number];
  readonly gasLitres: number;
  /** Energy drawn that does not make a watt-hour yet, in watt-seconds. */
  readonly restWs: number;
  /** When the sub-meter was read last, Unix seconds. */
  readonly gasTimeUnixS: number;
};

const HEX_ID = Buffer.from("DEMO-METER-0001").toString("hex").toUpperCase();
const HEX_GAS_ID = Buffer.from("DEMO-GAS-0001").toString("hex").toUpperCase();

/** The telegram that a meter in this state sends at this moment, checksum and line end included. */
export function telegram(state: MeterState, timeUnixS: number): Buffer {
  const sum = state.powerW.reduce((total, power) => total + power, 0);
  const lines = [
    "/DEM5\\2TALLYSTICK-DEMO",
    "",
    "1-3:0.2.8(50)",
    `0-0:1.0.0(${meterTime(timeUnixS)})`,
    `0-0:96.1.1(${HEX_ID})`,
    `1-0:1.8.1(${thousandths(state.importWh[0], 6)}*kWh)`,
    `1-0:1.8.2(${thousandths(state.importWh[1], 6)}*kWh)`,
    `1-0:2.8.1(${thousandths(state.exportWh[0], 6)}*kWh)`,
    `1-0:2.8.2(${thousandths(state.exportWh[1], 6)}*kWh)`,
    `0-0:96.14.0(000${state.tariff})`,
    `1-0:1.7.0(${thousandths(sum, 2)}*kW)`,
    "1-0:2.7.0(00.000*kW)",
    "0-0:96.7.21(00003)",
    "0-0:96.7.9(00001)",
    "1-0:99.97.0(1)(0-0:96.7.19)(250101031500W)(0000000611*s)",
    "1-0:32.32.0(00002)",
    "1-0:52.32.0(00001)",
    "1-0:72.32.0(00000)",
    "0-0:96.13.0()",
    ...state.voltageDv.map((voltage, phase) => `1-0:${32 + 20 * phase}.7.0(${tenths(voltage)}*V)`),
    ...state.powerW.map((power, phase) => `1-0:${31 + 20 * phase}.7.0(${amperes(power)}*A)`),
    ...state.powerW.map((power, phase) => `1-0:${21 + 20 * phase}.7.0(${thousandths(power, 2)}*kW)`),
    "0-1:24.1.0(003)",
    `0-1:96.1.0(${HEX_GAS_ID})`,
    `0-1:24.2.1(${meterTime(state.gasTimeUnixS)})(${thousandths(state.gasLitres, 5)}*m3)`,
    "!",
  ];
  const body = Buffer.from(lines.join("\r\n"), "latin1");
  return Buffer.concat([body, Buffer.from(`${crcText(body)}\r\n`, "latin1")]);
}

/** CRC-16/ARC, bit by bit, as four hexadecimal digits. */
function crcText(bytes: Uint8Array): string {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  }
  return crc.toString(16).toUpperCase().padStart(4, "0");
}

/** `YYMMDDhhmmss` in winter time, as Swedish meters send it all year. */
const meterTime = (unixS: number): string =>
  `${new Date((unixS + 3600) * 1000).toISOString().slice(2, 19).replace(/[-:T]/g, "")}W`;

const thousandths = (value: number, wholeDigits: number): string => {
  const digits = String(value).padStart(wholeDigits + 3, "0");
  return `${digits.slice(0, -3)}.${digits.slice(-3)}`;
};

const tenths = (value: number): string => {
  const digits = String(value).padStart(5, "0");
  return `${digits.slice(0, -1)}.${digits.slice(-1)}`;
};

const amperes = (powerW: number): string => String(Math.round(powerW / 230)).padStart(3, "0");

/** A household that has been here for a while. */
export const startState = (timeUnixS: number): MeterState => ({
  importWh: [4_271_338, 3_906_102],
  exportWh: [118_204, 305_977],
  tariff: 2,
  powerW: [2120, 1470, 960],
  voltageDv: [2312, 2298, 2305],
  gasLitres: 1_904_417,
  restWs: 0,
  gasTimeUnixS: timeUnixS - (timeUnixS % 3600),
});

/** The same meter later on. Registers never fall; at some five kilowatts they rise by a watt-hour about every second. */
export function advance(state: MeterState, fromUnixS: number, toUnixS: number): MeterState {
  const swing = (period: number, size: number, phase: number): number =>
    Math.round(size * (1 + Math.sin((2 * Math.PI * (toUnixS + phase)) / period)));
  const powerW = [1200 + swing(90, 900, 0), 820 + swing(47, 300, 11), 980 + swing(61, 650, 23)] as const;
  const drawnWs = state.restWs + (toUnixS - fromUnixS) * (powerW[0] + powerW[1] + powerW[2]);
  const energyWh = Math.floor(drawnWs / 3600);
  const hour = toUnixS - (toUnixS % 3600);
  const hours = Math.max(0, (hour - state.gasTimeUnixS) / 3600);
  const tariff = new Date(toUnixS * 1000).getUTCHours() < 6 ? 1 : 2;
  return {
    ...state,
    importWh: [
      state.importWh[0] + (tariff === 1 ? energyWh : 0),
      state.importWh[1] + (tariff === 2 ? energyWh : 0),
    ],
    restWs: drawnWs - 3600 * energyWh,
    tariff,
    powerW,
    voltageDv: [2300 + swing(33, 15, 0), 2292 + swing(41, 15, 7), 2296 + swing(37, 15, 3)],
    gasLitres: state.gasLitres + 187 * hours,
    gasTimeUnixS: Math.max(hour, state.gasTimeUnixS),
  };
}

export type MeterOptions = {
  /** 0 takes a free port. */
  readonly port?: number;
  readonly intervalMs?: number;
  /** Wall clock; a test brings its own. */
  readonly nowUnixMs?: () => number;
};

/** A meter on 127.0.0.1. Every connection gets every telegram, the first one at once. */
export class DemoMeter {
  readonly #server: Server = createServer((socket) => this.#welcome(socket));
  readonly #sockets = new Set<Socket>();
  readonly #intervalMs: number;
  readonly #nowUnixMs: () => number;
  #port: number;
  #state: MeterState;
  #stateUnixS: number;
  #timer: NodeJS.Timeout | undefined;

  private constructor({ port = 0, intervalMs = 1000, nowUnixMs = Date.now }: MeterOptions) {
    this.#port = port;
    this.#intervalMs = intervalMs;
    this.#nowUnixMs = nowUnixMs;
    this.#stateUnixS = Math.floor(nowUnixMs() / 1000);
    this.#state = startState(this.#stateUnixS);
  }

  /** Resolves when it accepts connections. */
  static async start(options: MeterOptions = {}): Promise<DemoMeter> {
    const meter = new DemoMeter(options);
    await meter.plug();
    return meter;
  }

  get port(): number {
    return this.#port;
  }

  get state(): MeterState {
    return this.#state;
  }

  get plugged(): boolean {
    return this.#server.listening;
  }

  /** Serves again, on the port that it had before. */
  async plug(): Promise<void> {
    if (this.plugged) return;
    this.#server.listen(this.#port, "127.0.0.1");
    await once(this.#server, "listening");
    this.#port = (this.#server.address() as AddressInfo).port;
    this.#timer = setInterval(() => this.#tick(), this.#intervalMs);
  }

  /** Cuts every connection and refuses new ones, as when somebody pulls the plug of the adapter. */
  async unplug(): Promise<void> {
    clearInterval(this.#timer);
    for (const socket of this.#sockets) socket.destroy();
    if (!this.plugged) return;
    this.#server.close();
    await once(this.#server, "close");
  }

  #welcome(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.resume(); // a P1 port takes no commands
    socket.write(telegram(this.#state, this.#stateUnixS));
  }

  #tick(): void {
    const nowUnixS = Math.max(Math.floor(this.#nowUnixMs() / 1000), this.#stateUnixS);
    if (nowUnixS > this.#stateUnixS) this.#state = advance(this.#state, this.#stateUnixS, nowUnixS);
    this.#stateUnixS = nowUnixS;
    const bytes = telegram(this.#state, nowUnixS);
    // A real meter does not wait either: who doesn't read loses telegrams.
    for (const socket of this.#sockets) if (!socket.writableNeedDrain) socket.write(bytes);
  }
}
