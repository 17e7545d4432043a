import {
  checkUnit,
  decimal,
  formatDecimal,
  parseDecimal,
  SECONDARY_UNITS,
  toPrimary,
  unitKind,
} from "@tallystick/evidence";
import { describe, expect, test } from "vitest";
import { codeOf } from "../../support/vectors.ts";

/** `[1.50, kWh]` in its primary unit, as `5400000.00 J`, or as `90 / 3.6 m/s`. */
function shown(value: string, unit: string): string {
  const primary = toPrimary(parseDecimal(value), unit);
  const per = formatDecimal(primary.per);
  return `${formatDecimal(primary.value)}${per === "1" ? "" : ` / ${per}`} ${primary.unit}`;
}

describe("units", () => {
  test.for([
    "V",
    "A",
    "W",
    "J",
    "Cel",
    "%",
    "%RH",
    "B",
    "s",
    "count",
    "m3",
    "VA",
    "var",
    "vars",
    "VAs",
    "Hz",
    "/",
    "lat",
    "deg",
    "1/s",
  ])("%s is a primary unit", (unit) => {
    expect(checkUnit(unit)).toBe("primary");
  });

  test.for([
    "kWh",
    "kvarh",
    "kVAh",
    "kvar",
    "kW",
    "kVA",
    "Wh",
    "Ah",
    "mV",
    "mA",
    "ms",
    "min",
    "h",
    "hPa",
    "dBm",
    "/100",
    "km/h",
  ])("%s is a secondary unit", (unit) => {
    expect(checkUnit(unit)).toBe("secondary");
  });

  test("33 secondary units; none is also primary, and each secondary one leads to a primary one", () => {
    expect(SECONDARY_UNITS.size).toBe(33);
    for (const [unit, { primary }] of SECONDARY_UNITS) {
      expect(unitKind(unit)).toBe("secondary");
      expect(unitKind(primary)).toBe("primary");
    }
  });

  test.for([
    "",
    "kwh",
    "KWH",
    "m³",
    "°C",
    "C ",
    "bar",
    "kWh\u0000",
    "constructor",
    "__proto__",
    "x".repeat(5000),
  ])("%j is refused", (unit) => {
    expect(codeOf(() => checkUnit(unit))).toBe("senml-unit");
    expect(codeOf(() => toPrimary(decimal(1), unit))).toBe("senml-unit");
    expect(unitKind(unit)).toBeUndefined();
  });

  test.for([
    ["1.50", "kWh", "5400000.00 J"],
    ["0.001", "kvarh", "3600.000 vars"],
    ["230.1", "V", "230.1 V"],
    ["10", "dBm", "-20 dBW"],
    ["21.5", "/100", "0.215 /"],
    ["90", "km/h", "90 / 3.6 m/s"],
    ["7", "mm/h", "7 / 3600000 m/s"],
    ["12.5", "Wh/km", "45.00 J/m"],
    ["3", "MB/s", "24000000 bit/s"],
    ["2", "KiB", "2048 B"],
    ["1013.25", "hPa", "101325.00 Pa"],
  ] as const)("%s %s is %s, exactly", ([value, unit, primary]) => {
    expect(shown(value, unit)).toBe(primary);
  });
});
