/**
 * PKCS#11 (OASIS, version 2.40; CKM_EDDSA of 3.0), as far as it is used here: the calls of pkcs11js, and the numbers that go with them. pkcs11js itself is there only
 * on gateways whose key is in hardware, so its types are said here.
 *
 * @module
 */

/** A slot, session or object. */
export type Handle = Buffer;
type Value = number | string | boolean | Buffer;
type Template = { type: number; value?: Value }[];
type Mechanism = { mechanism: number };

export type TokenInfo = {
  /** Texts are padded with blanks. */
  readonly label: string;
  readonly model: string;
  readonly flags: number;
};

/** The part of pkcs11js's class PKCS11 that is used. Every call blocks, and throws an Error with the CKR number as `code`. */
export type Pkcs11 = {
  load(path: string): void;
  C_Initialize(): void;
  C_Finalize(): void;
  C_GetSlotList(tokenPresent: boolean): Handle[];
  C_GetTokenInfo(slot: Handle): TokenInfo;
  C_GetMechanismList(slot: Handle): number[];
  C_OpenSession(slot: Handle, flags: number): Handle;
  C_CloseSession(session: Handle): void;
  C_Login(session: Handle, user: number, pin: string): void;
  C_FindObjectsInit(session: Handle, template: Template): void;
  C_FindObjects(session: Handle, most: number): Handle[];
  C_FindObjectsFinal(session: Handle): void;
  C_GetAttributeValue(session: Handle, object: Handle, template: Template): { value: Buffer }[];
  C_SignInit(session: Handle, mechanism: Mechanism, key: Handle): void;
  C_Sign(session: Handle, data: Buffer, room: Buffer): Buffer;
  C_GenerateKeyPair(
    session: Handle,
    mechanism: Mechanism,
    publicTemplate: Template,
    privateTemplate: Template,
  ): { publicKey: Handle; privateKey: Handle };
};

/** What the package exports. */
export type Pkcs11Package = { readonly PKCS11: new () => Pkcs11 };

export const CKF = {
  rwSession: 2,
  serialSession: 4,
  loginRequired: 0x4,
  userPinInitialized: 0x8,
  userPinFinalTry: 0x20000,
  userPinLocked: 0x40000,
} as const;

export const CKU_USER = 1;

export const CKO = { publicKey: 2, privateKey: 3 } as const;

export const CKA = {
  class: 0,
  token: 1,
  private: 2,
  label: 3,
  keyType: 0x100,
  id: 0x102,
  sensitive: 0x103,
  sign: 0x108,
  verify: 0x10a,
  extractable: 0x162,
  neverExtractable: 0x164,
  ecParams: 0x180,
  ecPoint: 0x181,
} as const;

export const CKM = {
  ecKeyPairGen: 0x1040,
  ecdsa: 0x1041,
  edwardsKeyPairGen: 0x1055,
  eddsa: 0x1057,
} as const;

export const CKR = {
  slotIdInvalid: 0x3,
  generalError: 0x5,
  functionFailed: 0x6,
  attributeSensitive: 0x11,
  attributeTypeInvalid: 0x12,
  deviceError: 0x30,
  deviceMemory: 0x31,
  deviceRemoved: 0x32,
  keyHandleInvalid: 0x60,
  mechanismInvalid: 0x70,
  objectHandleInvalid: 0x82,
  pinIncorrect: 0xa0,
  pinInvalid: 0xa1,
  pinLenRange: 0xa2,
  pinExpired: 0xa3,
  pinLocked: 0xa4,
  sessionClosed: 0xb0,
  sessionHandleInvalid: 0xb3,
  tokenNotPresent: 0xe0,
  tokenNotRecognized: 0xe1,
  tokenWriteProtected: 0xe2,
  userAlreadyLoggedIn: 0x100,
  userNotLoggedIn: 0x101,
  userPinNotInitialized: 0x102,
  cryptokiNotInitialized: 0x190,
  cryptokiAlreadyInitialized: 0x191,
} as const;
