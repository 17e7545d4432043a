import { describe, expect, test } from "vitest";
import { accessOf, type Access } from "../../../broker/src/access/access.ts";
import { defaultConfig } from "../../../broker/src/config.ts";

const services = new Map(defaultConfig().services.map((service) => [service.id, service]));
const access = (id: string): Access | undefined => accessOf(id, services, 65_536);
const publish = (id: string, topic: string, more: object = {}): string | undefined =>
  access(id)?.publish({ topic, qos: 1, retain: false, bytes: 10, ...more });

describe("a device", () => {
  test.for([
    ["tally/v1/acme/gw-1/up", {}, "up"],
    ["tally/v1/acme/gw-1/up", { bytes: 65_537 }, "too-large"],
    ["tally/v1/acme/gw-1/up", { retain: true }, "retain-refused"],
    ["tally/v1/acme/gw-1/up", { qos: 0 }, "qos-unsupported"],
    ["tally/v1/acme/gw-1/state", { qos: 0, retain: true }, "state"],
    ["tally/v1/acme/gw-1/state", { qos: 2 }, "qos-unsupported"],
    ["tally/v1/acme/gw-10/up", {}, "topic-owner"],
    ["tally/v1/acme/gw-1/up/", {}, "topic-malformed"],
    ["tally/v1/acme/gw-1/UP", {}, "topic-malformed"],
  ] as const)("publishing to %s %o: %s", ([topic, more, answer]) => {
    expect(publish("acme/gw-1", topic, more)).toBe(answer);
  });

  test("reads its own down and the checkpoint", () => {
    const device = access("acme/gw-1");
    expect(device?.subscribe("tally/v1/acme/gw-1/down")).toBeUndefined();
    expect(device?.subscribe("tally/v1/checkpoint")).toBeUndefined();
    expect(device?.subscribe("tally/v1/acme/+/down")).toBe("topic-owner");
    expect(device?.waitedFor).toBe(false);
  });
});

describe("the ledger", () => {
  test("writes every device's down and the checkpoint, reads every up, by any + that stays within one kind", () => {
    expect(publish("anchor", "tally/v1/acme/gw-1/down")).toBe("down");
    expect(publish("anchor", "tally/v1/checkpoint", { qos: 1, retain: true })).toBe("checkpoint");
    expect(publish("anchor", "tally/v1/checkpoint", { bytes: 20_000 })).toBe("too-large");
    expect(publish("anchor", "tally/v1/acme/gw-1/up")).toBe("topic-owner");
    const anchor = access("anchor");
    for (const filter of ["tally/v1/+/+/up", "tally/v1/acme/+/up", "tally/v1/+/gw/up", "tally/v1/a/b/up"])
      expect(anchor?.subscribe(filter)).toBeUndefined();
    for (const filter of [
      "#",
      "+/+/+/+/up",
      "tally/v1/+/+/+",
      "tally/v1/+/up",
      "tally/v1/a+/b/up",
      "tally/v1/+/+/up/#",
    ])
      expect(anchor?.subscribe(filter)).toBe("topic-malformed");
    expect(anchor?.subscribe("tally/v1/+/+/down")).toBe("topic-owner");
    expect(anchor?.waitedFor).toBe(true);
  });
});

test.for(["gw", "a/b/c", "A/b", "a/", "/b", "a/b ", "a/+", "#", "x".repeat(33) + "/b"])(
  "%j is nobody",
  (id) => {
    expect(access(id)).toBeUndefined();
  },
);
