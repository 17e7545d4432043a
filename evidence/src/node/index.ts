/**
 * What the programs share on Node: the node:crypto provider, key files, durable files, configuration, the frame of a command and its progress,
 * and the places from which a log's public files are read.
 *
 * @module
 */
export { createNodeProvider, nodeSha256, spkiOf } from "./provider.ts";
export { createKeyFile, loadSigner, parsePublicKeyPem, publicKeyPem, readPublicKeyFile } from "./key-file.ts";
export { Bucket, Buckets, type BucketSize } from "./bucket.ts";
export { syncDirectory, writeDurable } from "./durable.ts";
export { machineDisk, type Disk, type OpenFile } from "./disk.ts";
export { boundHeap, keepObjectsYoung, type HeapBounds } from "./heap.ts";
export { runStages, runTogether, type Stage } from "./stages.ts";
export { ConfigError, loadConfig, parseConfig, type ConfigSource } from "./config.ts";
export { EXIT, report, required, runCommand, UsageError, type Arguments, type Command } from "./command.ts";
export { noProgress, terminalProgress, type Progress } from "./progress.ts";
export { isUrl, openPlace, readRequired, type Place } from "./place/place.ts";
export { directoryPlace, readBounded } from "./place/directory.ts";
export {
  askHttp,
  HTTP_LIMITS,
  httpPlace,
  parseAddress,
  withRetries,
  type HttpAnswer,
  type HttpAsk,
  type HttpLimits,
} from "./place/http.ts";
export { boundPackets } from "./mqtt-bounds.ts";
export { ServiceManager } from "./service-manager.ts";
export { sleep, systemTimer, type Timer } from "./timer.ts";
export { EXPORTER_BYTES, exporterOf, ownPin, parsePin, peerPin, pinOf, type TlsPin } from "./tls-identity.ts";
export { readTls, reloadTls, type TlsFiles, type TlsMaterial } from "./tls-files.ts";
export {
  checkUp,
  exitOf,
  fail,
  failure,
  findingLines,
  ok,
  printFindings,
  unknown,
  warn,
  type Check,
  type Finding,
} from "./checkup.ts";
export {
  bytesWritten,
  databaseBytes,
  freeBytesAt,
  inBytes,
  inTime,
  lockHolder,
  residentBytes,
  userOf,
} from "./process-facts.ts";
export { permissionFindings, unreadable, type Guarded } from "./permissions.ts";
export { certificateExpiry, probeBroker, probePort, type Expected } from "./probe.ts";
export { synchronisedBy } from "./synchronised.ts";
export {
  isHookUrl,
  postTo,
  readSecret,
  readText,
  signatureOf,
  signedHeaders,
  type Hook,
  type Post,
} from "./webhook.ts";
