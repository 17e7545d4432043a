/**
 * What a registry item means for whoever watches devices: which device's key it changes, and how.
 *
 * @module
 */
import {
  decodeChange,
  decodeEvent,
  parseIss,
  parseStatement,
  toHex,
  type KeyState,
  type RegistryItem,
} from "@tallystick/evidence";
import type { Found } from "./alert.ts";
import type { PlacedItem } from "./registry.ts";

/**
 * @param keys - after the item
 * @param watched - devices; all where there are none. Of operators those of their orgs are watched, too
 */
export function newsOf(
  { n, index, item }: PlacedItem,
  keys: KeyState,
  watched: ReadonlySet<string>,
): Found | undefined {
  const news = told(item, keys);
  if (news === undefined) return undefined;
  const { iss, org, text, code = "key-changed" } = news;
  const orgs = new Set(Array.from(watched, (one) => parseIss(one).org));
  const isWatched =
    watched.size === 0 ||
    (iss !== undefined && watched.has(iss)) ||
    (org !== undefined && (org === "*" || orgs.has(org)));
  if (!isWatched) return undefined;
  // The number makes it one of its own: each item is told once.
  return { code, subject: iss ?? org ?? "", text: `item ${n} at index ${index}: ${text}` };
}

type News = {
  readonly code?: "log-ended";
  /** The device or operator. */
  readonly iss?: string;
  /** The org, where it is about operators. */
  readonly org?: string;
  readonly text: string;
};

function told(item: RegistryItem, keys: KeyState): News | undefined {
  switch (item.kind) {
    case "policy":
      return undefined;
    case "enrol":
      return { iss: item.device, text: `${item.device} was enrolled with key ${toHex(item.key.kid)}` };
    case "re-enrol":
      return {
        iss: item.device,
        text: `${item.device} was enrolled anew with key ${toHex(item.key.kid)}: ${item.reason}`,
      };
    case "rotate": {
      const { claims, content } = parseStatement(item.statement);
      const event = content.type === "event" ? decodeEvent(content.payload) : undefined;
      const kid = event?.kind === "key-rotated" ? toHex(event.key.kid) : "?";
      return { iss: claims.iss, text: `${claims.iss} has named its next key ${kid}` };
    }
    case "revoke": {
      const record = keys.get(item.kid);
      const iss = record?.iss ?? "";
      const text = `key ${toHex(item.kid)} of ${iss} was revoked; it is suspect from index ${item.from} on`;
      return record?.role === "operator" ? { org: record.streams[0] ?? "*", text } : { iss, text };
    }
    case "operator-added": {
      const { iss, actsFor } = item.operator;
      return { org: actsFor, text: `${iss} may act for ${actsFor}` };
    }
    case "operators": {
      const change = decodeChange(item.change);
      const { actsFor, add, remove } = change;
      return { org: actsFor, text: `operators of ${actsFor}: ${add.length} added, ${remove.length} removed` };
    }
    case "successor":
      return { code: "log-ended", org: "*", text: `the log has ended; its successor is ${item.origin}` };
  }
}
