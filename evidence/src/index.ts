/**
 * The public names of the language that all parts speak, listed one by one.
 *
 * @module
 */
export {
  compareBytes,
  concatBytes,
  decodeUtf8,
  encodeUtf8,
  equalBytes,
  fromBase64,
  fromHex,
  toBase64,
  toHex,
} from "./bytes.ts";
export {
  decodeCbor,
  encodeCbor,
  encodeSequence,
  Float,
  splitSequence,
  Tagged,
  type CborKey,
  type CborMap,
  type CborValue,
} from "./cbor.ts";
export { encodeSign1, parseSign1, toBeSigned, type Sign1 } from "./cose.ts";
export {
  addDecimal,
  compareDecimal,
  Decimal,
  decimal,
  decimalToNumber,
  formatDecimal,
  multiplyDecimal,
  parseDecimal,
  subtractDecimal,
} from "./decimal.ts";
export {
  EVIDENCE_CODES,
  EvidenceError,
  isEvidenceCode,
  isEvidenceError,
  type Disposition,
  type EvidenceCode,
  type Where,
} from "./errors.ts";
export {
  ALG_ED25519,
  ALG_ESP256,
  coseKey,
  ed25519Key,
  esp256Key,
  parseCoseKey,
  thumbprint,
  type Algorithm,
  type PublicKey,
} from "./keys.ts";
export { nobleProvider, nobleSigner, type SignatureProvider, type Signer } from "./provider.ts";
export { HASH_BYTES, sha256, type Hash } from "./sha256.ts";
export { asBytes, asDecimal, asText, asUint, Fields, tuple } from "./shape.ts";
