/**
 * The public names of the language that all parts speak, listed one by one.
 *
 * @module
 */
export {
  decodeBundle,
  encodeBundle,
  isBundle,
  MAX_BUNDLE_BYTES,
  type Bundle,
  type BundledConsistency,
  type BundledKey,
  type Scope,
} from "./ledger/bundle.ts";
export {
  compareBytes,
  concatBytes,
  decodeUtf8,
  encodeUtf8,
  equalBytes,
  fromBase64,
  fromBase64Url,
  fromHex,
  toBase64,
  toBase64Url,
  toHex,
} from "./bytes.ts";
export {
  decodeCbor,
  encodeCbor,
  mapOf,
  encodeSequence,
  Float,
  splitSequence,
  Tagged,
  type CborKey,
  type CborMap,
  type CborValue,
} from "./cbor.ts";
export { lateBeginnings } from "./chains/beginnings.ts";
export {
  examineStreams,
  missingNumbers,
  type Chain,
  type ChainFinding,
  type ForkReason,
  type Link,
  type Range,
  type Stream,
} from "./chains/chain.ts";
export { formatCheckpoint, openCheckpoint, parseCheckpoint, type Checkpoint } from "./ledger/checkpoint.ts";
export { CompactRange, type OnNode } from "./tree/compact-range.ts";
export {
  openConnectToken,
  sealConnectToken,
  type ConnectClaims,
  type ConnectToken,
} from "./tokens/connect-token.ts";
export { verifyConsistency } from "./tree/consistency.ts";
export { coverage, type ChainCoverage, type StreamCoverage } from "./chains/coverage.ts";
export {
  type Covered,
  type Missing,
  type MissingKind,
  type MissingNumbers,
  type StreamSamples,
} from "./chains/coverage-walk.ts";
export { encodeSign1, parseSign1, toBeSigned, type Sign1 } from "./cose.ts";
export { cosign, verifyCosignature, verifyCosignatures, type Cosignature } from "./ledger/cosignature.ts";
export { CLAIM, MAX_CWT_BYTES, openCwt, sealCwt, verifyCwt, type Cwt } from "./tokens/cwt.ts";
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
export { decodeEat, EAT_PROFILE_URI, encodeEat, type BootEvidence, type Software } from "./events/eat.ts";
export {
  openEnrolRequest,
  sealEnrolRequest,
  type EnrolClaims,
  type EnrolRequest,
} from "./tokens/enrol-token.ts";
export {
  dispositionOf,
  EVIDENCE_CODES,
  EvidenceError,
  isEvidenceCode,
  isEvidenceError,
  type Disposition,
  type EvidenceCode,
  type Where,
} from "./errors.ts";
export {
  type Access,
  type Amount,
  type Before,
  type Boot,
  type ClockStep,
  type ConfigChanged,
  type DeclaredName,
  type Erased,
  type Event,
  type EventKind,
  type EventOf,
  type Gap,
  type Head,
  type Heads,
  type KeyRotated,
  type MeterChanged,
  type Ref,
  type Refused,
  type Register,
  type StreamClosed,
  type StreamOpened,
  type TimeQuality,
  type TollAdjustment,
  type TollTransaction,
} from "./events/event-kinds.ts";
export { decodeEvent, encodeEvent } from "./events/event.ts";
export {
  isForeignReceipt,
  parseForeignReceipt,
  verifyForeignReceipt,
  type ForeignReceipt,
} from "./ledger/foreign-receipt.ts";
export { HeadIndex, type NamedHead } from "./chains/heads.ts";
export {
  formatInvite,
  INVITE_ID_BYTES,
  INVITE_SECRET_BYTES,
  parseInvite,
  type Invite,
} from "./tokens/invite.ts";
export {
  decodeLeaf,
  encodeLeaf,
  judgeUse,
  type Judgement,
  type KeyLeaf,
  type KeyUse,
  type Succession,
} from "./key-state/key-leaf.ts";
export type { KeyRecord } from "./key-state/key-record.ts";
export { KeyState, type KeyStateOptions } from "./key-state/key-state.ts";
export { KeyTree, type KeyProof } from "./key-state/key-tree.ts";
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
} from "./keys/keys.ts";
export { emptyRoot, hashLeaf, hashNode, rootFromInclusion, verifyInclusion } from "./tree/merkle.ts";
export {
  checkOrg,
  checkStream,
  checkStreamPattern,
  isOperator,
  MAX_STREAM,
  OPERATOR_DEVICE,
  parseIss,
  REGISTRY_STREAM,
  streamAllowed,
  SYSTEM_STREAM,
  type Issuer,
} from "./names.ts";
export {
  formatNote,
  MAX_NOTE_BYTES,
  parseNote,
  signNote,
  verifyNote,
  type Note,
  type NoteSignature,
} from "./ledger/note.ts";
export {
  decodeChange,
  encodeChange,
  openConsent,
  sealConsent,
  type Consent,
  type Operator,
  type OperatorChange,
} from "./registry/operators.ts";
export { checkPack, decodePack, type PackSummary } from "./readings/pack-read.ts";
export { encodePack } from "./readings/pack-write.ts";
export {
  parsePolicy,
  quorumMet,
  type Group,
  type PinnedOperator,
  type TrustedKey,
  type TrustPolicy,
} from "./verify/policy.ts";
export {
  consistencyPath,
  inclusionPath,
  joinEdge,
  rightEdge,
  treeRoot,
  type HashReader,
  type TreeNode,
} from "./tree/proofs.ts";
export { createNobleProvider, nobleProvider, nobleSigner } from "./keys/provider.ts";
export {
  FIRST_ABSOLUTE_TIME,
  QUALITIES,
  RAW_NAME,
  type Measured,
  type Quality,
  type Reading,
  type ReadingValue,
} from "./readings/reading.ts";
export {
  encodeReceipt,
  equivocate,
  parseReceipt,
  signBatch,
  verifyReceipt,
  type BatchClaims,
  type SignedTree,
  type Receipt,
  type SignedBatch,
} from "./ledger/receipt.ts";
export { decodeItem, encodeItem, type Enrolment, type RegistryItem } from "./registry/registry.ts";
export { HASH_BYTES, sha256, type Hash } from "./sha256.ts";
export { asBytes, asDecimal, asText, asUint, Fields, tuple } from "./shape.ts";
export { lowS, type SignatureProvider, type Signer } from "./keys/signature.ts";
export {
  type Claims,
  type Content,
  type ContentType,
  type Level,
  type SeenTree,
} from "./statement/statement-header.ts";
export { parseStatement, sealStatement, verifyStatement, type Statement } from "./statement/statement.ts";
export { Slab } from "./slab.ts";
export { isSubtree, verifySubtreeConsistency, verifySubtreeInclusion, type Subtree } from "./tree/subtree.ts";
export { decodeEntries, encodeEntries, encodeTile, tileHashReader } from "./tree/tile-content.ts";
export {
  entriesPath,
  formatTilePath,
  parseTilePath,
  registryPath,
  TILE_WIDTH,
  tilePath,
  tilesForGrowth,
  tilesOfSize,
  tileWidth,
  type Tile,
  type TilePath,
} from "./tree/tiles.ts";
export {
  CHECKPOINT_TOPIC,
  downTopic,
  LIMITS,
  parseTopic,
  parseUpTopic,
  stateTopic,
  upTopic,
  type Topic,
} from "./topics.ts";
export {
  encodeTransparent,
  parseTransparent,
  TransparentReader,
  type Transparent,
} from "./statement/transparent.ts";
export {
  checkUnit,
  SECONDARY_UNITS,
  toPrimary,
  unitKind,
  type PrimaryQuantity,
  type SecondaryUnit,
} from "./readings/units.ts";
export { verify, type RegistryCopy, type VerifyOptions } from "./verify/verify.ts";
export {
  CHECKS,
  Findings,
  type Check,
  type CheckName,
  type FindingSink,
  type Verdict,
} from "./verify/findings.ts";
export { agreedKey, BROUGHT_BY_SUSPECT, checkLeaves, replayRegistry, type UsedKey } from "./verify/keys.ts";
export { place, placeAll, type Placed } from "./verify/placed.ts";
export { isSeenFromWithin } from "./verify/seen.ts";
export { checkTimes, type CommitTimes } from "./verify/times.ts";
export { ReceiptCheck, type GoodReceipt } from "./verify/receipts.ts";
export {
  checkLogs,
  checkOperators,
  checkWitnesses,
  logOf,
  operatorFault,
  type CheckedLog,
} from "./verify/trust.ts";
export {
  COSIGNATURE_ED25519,
  formatVkey,
  isKeyName,
  NOTE_ED25519,
  parseVkey,
  type VerifierKey,
  type VkeyType,
} from "./keys/vkey.ts";
export { decodeDown, encodeDown, splitUp, type DownMessage, type Up, type UpItem } from "./wire.ts";
