import {
  CHECKPOINT_TOPIC,
  downTopic,
  parseTopic,
  parseUpTopic,
  stateTopic,
  upTopic,
} from "@tallystick/evidence";
import { describe, expect, test } from "vitest";
import { codeOf } from "../../support/vectors.ts";

const ISS = "city-energy/gw-17";

describe("topics", () => {
  test("are built from the issuer, and read back", () => {
    expect(upTopic(ISS)).toBe("tally/v1/city-energy/gw-17/up");
    expect(parseTopic(upTopic(ISS))).toEqual({ kind: "up", iss: ISS });
    expect(parseTopic(downTopic(ISS))).toEqual({ kind: "down", iss: ISS });
    expect(parseTopic(stateTopic(ISS))).toEqual({ kind: "state", iss: ISS });
    expect(parseTopic(CHECKPOINT_TOPIC)).toEqual({ kind: "checkpoint" });
    expect(parseUpTopic(upTopic(ISS))).toBe(ISS);
  });

  test("no wildcard or slash gets into a topic by way of a name", () => {
    for (const iss of ["city/#", "+/gw", "city/gw/up", "city/gw\u0000", "city"]) {
      expect(codeOf(() => upTopic(iss))).toBe("name-malformed");
      expect(codeOf(() => downTopic(iss))).toBe("name-malformed");
      expect(codeOf(() => stateTopic(iss))).toBe("name-malformed");
    }
  });

  test.for([
    "",
    "tally/v1/city/gw",
    "tally/v1/city/gw/",
    "tally/v1/city/gw/Up",
    "tally/v1/city/gw/up/",
    "tally/v1/city/gw/up/more",
    "/tally/v1/city/gw/up",
    "tally/v2/city/gw/up",
    "tally/v1/+/gw/up",
    "tally/v1/city/#",
    "tally/v1/City/gw/up",
    "tally/v1/city/gw/checkpoint",
    "tally/v1/checkpoint/",
    "$SYS/broker/uptime",
    `tally/v1/${"a".repeat(33)}/gw/up`,
    `tally/v1/city/${"b".repeat(65)}/up`,
  ])("%j is none of ours", (topic) => {
    expect(parseTopic(topic)).toBeUndefined();
    expect(codeOf(() => parseUpTopic(topic))).toBe("topic-malformed");
  });

  test("only `up` is an up topic", () => {
    expect(codeOf(() => parseUpTopic(downTopic(ISS)))).toBe("topic-malformed");
    expect(codeOf(() => parseUpTopic(CHECKPOINT_TOPIC))).toBe("topic-malformed");
  });
});
