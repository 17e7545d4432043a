/**
 * One PKCS#11 token with the device's key in it. Every call blocks for as long as the token takes, milliseconds to seconds, so this is for a thread of its own.
 *
 * @module
 */
import { randomBytes } from "node:crypto";
import { CKA, CKF, CKM, CKO, CKR, CKU_USER, type Handle, type Pkcs11, type TokenInfo } from "./pkcs11.ts";
import { codeOf, TokenFault, tokenFault } from "./token-faults.ts";
import {
  ED25519_OID,
  nameOf,
  P256_PARAMS,
  pointOf,
  typeOf,
  type KeyType,
  type TokenKey,
} from "./token-key.ts";
import { findSlot, readPin, type TokenPlace } from "./token-place.ts";

const MAX_KEYS = 64;
const ID_BYTES = 8;
const SIGNATURE_BYTES = 64;

export class Token {
  readonly #p11: Pkcs11;
  readonly #slot: Handle;
  readonly #session: Handle;
  readonly #model: string;
  /** Private keys by their public point, as far as they were looked for. */
  readonly #handles = new Map<string, Handle>();

  /**
   * Opens the token and logs in. A PIN that has one try left is not tried: whoever mistyped it shall not find the token locked.
   *
   * @throws TokenFault
   */
  constructor(p11: Pkcs11, place: TokenPlace) {
    this.#p11 = p11;
    const pin = place.pinFile === undefined ? undefined : readPin(place.pinFile);
    try {
      p11.C_Initialize();
    } catch (cause) {
      if (codeOf(cause) !== CKR.cryptokiAlreadyInitialized) throw tokenFault(cause, place.module);
    }
    const { slot, info } = findSlot(p11, place);
    this.#slot = slot;
    this.#model = info.model.trim();
    try {
      this.#session = p11.C_OpenSession(slot, CKF.serialSession | CKF.rwSession);
    } catch (cause) {
      throw tokenFault(cause, "opening the token");
    }
    this.#login(info, pin);
  }

  /** Every key pair of a kind that signs statements, of this label and id where they are given. @throws TokenFault */
  keys({ label, id }: Pick<TokenPlace, "label" | "id">): readonly TokenKey[] {
    try {
      const template = [
        { type: CKA.class, value: CKO.privateKey },
        ...(label === undefined ? [] : [{ type: CKA.label, value: label }]),
        ...(id === undefined ? [] : [{ type: CKA.id, value: Buffer.from(id, "hex") }]),
      ];
      return this.#find(template).flatMap((handle) => {
        const key = this.#describe(handle);
        if (key !== undefined) this.#handles.set(nameOf(key), handle);
        return key ?? [];
      });
    } catch (cause) {
      throw tokenFault(cause, "looking for the key");
    }
  }

  /**
   * @param digestOrMessage - SHA-256 of the message for P-256, the message itself for Ed25519
   * @returns 64 bytes; of P-256 s may lie in either half
   * @throws TokenFault
   */
  sign({ type, point }: Pick<TokenKey, "type" | "point">, digestOrMessage: Uint8Array): Uint8Array {
    const name = nameOf({ type, point });
    if (!this.#handles.has(name)) this.keys({});
    const handle = this.#handles.get(name);
    if (handle === undefined) throw new TokenFault("the key is no longer in the token", true);
    try {
      const mechanism = type === "p256" ? CKM.ecdsa : CKM.eddsa;
      this.#p11.C_SignInit(this.#session, { mechanism }, handle);
      const room = Buffer.alloc(SIGNATURE_BYTES * 2);
      return new Uint8Array(this.#p11.C_Sign(this.#session, Buffer.from(digestOrMessage), room));
    } catch (cause) {
      throw tokenFault(cause, "signing");
    }
  }

  /** Makes a key pair that never leaves the token. @param wantedId - CKA_ID, hexadecimal; a random one where it is absent. @throws TokenFault */
  make(type: KeyType, label: string, wantedId?: string): TokenKey {
    const id = wantedId === undefined ? randomBytes(ID_BYTES) : Buffer.from(wantedId, "hex");
    const mechanism = type === "p256" ? CKM.ecKeyPairGen : CKM.edwardsKeyPairGen;
    const named = [
      { type: CKA.token, value: true },
      { type: CKA.label, value: label },
      { type: CKA.id, value: id },
    ];
    try {
      if (!this.#p11.C_GetMechanismList(this.#slot).includes(mechanism))
        throw new TokenFault(`this token makes no keys of type ${type}: try the other one`);
      this.#p11.C_GenerateKeyPair(
        this.#session,
        { mechanism },
        [
          ...named,
          { type: CKA.ecParams, value: type === "p256" ? P256_PARAMS : ED25519_OID },
          { type: CKA.verify, value: true },
        ],
        [
          ...named,
          { type: CKA.private, value: true },
          { type: CKA.sensitive, value: true },
          { type: CKA.extractable, value: false },
          { type: CKA.sign, value: true },
        ],
      );
    } catch (cause) {
      throw tokenFault(cause, "making a key");
    }
    const [key] = this.keys({ label, id: id.toString("hex") });
    if (key === undefined) throw new TokenFault("the token made a key and doesn't show it");
    return key;
  }

  /** Ends the session and all that the module remembers, so that the next opening looks anew. */
  close(): void {
    try {
      this.#p11.C_CloseSession(this.#session);
    } catch {
      // a token that is gone has no sessions
    }
    finalize(this.#p11);
  }

  #login({ flags }: TokenInfo, pin: string | undefined): void {
    if ((flags & CKF.loginRequired) === 0) return;
    if (pin === undefined) throw new TokenFault("the token wants a PIN: give pkcs11.pinFile");
    if ((flags & CKF.userPinLocked) !== 0)
      throw tokenFault(
        Object.assign(new Error("CKF_USER_PIN_LOCKED"), { code: CKR.pinLocked }),
        "logging in",
      );
    if ((flags & CKF.userPinFinalTry) !== 0) {
      throw new TokenFault(
        "one wrong PIN more would lock the token: log in with its own tool first, which shows that the PIN is right",
      );
    }
    try {
      this.#p11.C_Login(this.#session, CKU_USER, pin);
    } catch (cause) {
      if (codeOf(cause) !== CKR.userAlreadyLoggedIn) throw tokenFault(cause, "logging in");
    }
  }

  #find(template: Parameters<Pkcs11["C_FindObjectsInit"]>[1]): readonly Handle[] {
    this.#p11.C_FindObjectsInit(this.#session, template);
    try {
      return this.#p11.C_FindObjects(this.#session, MAX_KEYS);
    } finally {
      this.#p11.C_FindObjectsFinal(this.#session);
    }
  }

  /** Undefined for a key of another kind, and for one whose public half isn't in the token. */
  #describe(handle: Handle): TokenKey | undefined {
    const id = this.#attribute(handle, CKA.id);
    if (id === undefined) return undefined;
    const [pair] = this.#find([
      { type: CKA.class, value: CKO.publicKey },
      { type: CKA.id, value: id },
    ]);
    if (pair === undefined) return undefined;
    const type = typeOf(this.#attribute(pair, CKA.ecParams));
    const point = type && pointOf(type, this.#attribute(pair, CKA.ecPoint));
    if (type === undefined || point === undefined) return undefined;
    const isSealed =
      this.#attribute(handle, CKA.sensitive)?.[0] === 1 &&
      this.#attribute(handle, CKA.neverExtractable)?.[0] === 1;
    const label = this.#attribute(handle, CKA.label)?.toString() ?? "";
    return { type, point, label, id: id.toString("hex"), model: this.#model, isSealed };
  }

  /** Undefined where the object has no such attribute, or doesn't tell it. */
  #attribute(object: Handle, type: number): Buffer | undefined {
    try {
      return this.#p11.C_GetAttributeValue(this.#session, object, [{ type }])[0]?.value;
    } catch (cause) {
      const code = codeOf(cause);
      if (code === CKR.attributeTypeInvalid || code === CKR.attributeSensitive) return undefined;
      throw cause;
    }
  }
}

/** Makes the module forget everything. */
export function finalize(p11: Pkcs11): void {
  try {
    p11.C_Finalize();
  } catch {
    // it has nothing to forget
  }
}
