/** The one function of sodium-native that is used; the package carries no types. */
declare module "sodium-native" {
  const sodium: {
    /** True where `signature` (64 bytes) is `publicKey`'s (32 bytes) over `message`. Throws on other lengths. */
    crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
  };
  export default sodium;
}
