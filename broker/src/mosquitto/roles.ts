/**
 * Who may do what, in the words of Mosquitto's dynamic security: one role a device, one a service, one for whoever administers it.
 *
 * A device is known by the id of its key, which its certificate has as common name, and not by its own name. So a key that was revoked or superseded
 * stays out when the device has another one; and dynamic security denies patterns with `%u` to names that hold a slash.
 *
 * @module
 */
import {
  CHECKPOINT_TOPIC,
  downTopic,
  stateTopic,
  toHex,
  upTopic,
  type KeyRecord,
} from "@tallystick/evidence";
import type { Service, TopicKind } from "../config.ts";

type AclType = "publishClientSend" | "publishClientReceive" | "subscribeLiteral" | "subscribePattern";
type Acl = {
  readonly acltype: AclType;
  readonly topic: string;
  readonly priority: number;
  readonly allow: boolean;
};

/** A client's one role. */
export type Role = { readonly name: string; readonly client: string; readonly acls: readonly Acl[] };

/** User name of whoever administers dynamic security: neither a service's id nor a key's can have a colon. */
export const ADMIN = "tally:acl";
const CONTROL_TOPICS = "$CONTROL/dynamic-security/#";

/** Roles of services are called so, to be told from those that were made by hand when a service is no longer in the configuration. */
const SERVICE_ROLE = /^service:(?<id>.+)$/;

/** Tells the clients that stand for devices' keys, and so are ours to make and delete. */
export const isKeyName = (name: string): boolean => /^[0-9a-f]{64}$/.test(name);

/** The client that has a role which is ours to make and delete; undefined for any other role. */
export const clientOf = (role: string): string | undefined =>
  isKeyName(role) ? role : SERVICE_ROLE.exec(role)?.groups?.["id"];

const allow = (acltype: AclType, topic: string): Acl => ({ acltype, topic, priority: 0, allow: true });

/** Writes its own `up` and `state`, reads its own `down` and the checkpoint. */
export function deviceRole({ kid, iss }: Pick<KeyRecord, "kid" | "iss">): Role {
  const client = toHex(kid);
  return {
    name: client,
    client,
    acls: [
      allow("publishClientSend", upTopic(iss)),
      allow("publishClientSend", stateTopic(iss)),
      ...[downTopic(iss), CHECKPOINT_TOPIC].flatMap((topic) => [
        allow("subscribeLiteral", topic),
        allow("publishClientReceive", topic),
      ]),
    ],
  };
}

/** Writes and reads the kinds of topics that the configuration says, each as a whole. */
export function serviceRole({ id, publish, subscribe }: Pick<Service, "id" | "publish" | "subscribe">): Role {
  return {
    name: `service:${id}`,
    client: id,
    acls: [
      ...publish.map((kind) => allow("publishClientSend", topicsOf(kind))),
      ...subscribe.flatMap((kind) => [
        // literal: exactly this filter, and none within it
        allow("subscribeLiteral", topicsOf(kind)),
        allow("publishClientReceive", topicsOf(kind)),
      ]),
    ],
  };
}

export const adminRole: Role = {
  name: ADMIN,
  client: ADMIN,
  acls: (["publishClientSend", "publishClientReceive", "subscribePattern"] as const).map((type) =>
    allow(type, CONTROL_TOPICS),
  ),
};

const topicsOf = (kind: TopicKind): string =>
  kind === "checkpoint" ? CHECKPOINT_TOPIC : `tally/v1/+/+/${kind}`;
