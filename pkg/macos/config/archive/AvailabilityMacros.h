/* In front of Apple's header of this name: libarchive's private headers ask it whether CommonCrypto's ciphers are there
 * (AES for encrypted archives), and without an answer they take none. The open headers have no CommonCryptor.h. */
