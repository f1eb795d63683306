/* Private keys in PEM that everybody knows: of the RFCs, or made for tests. */
#pragma once

extern const char key_rsa[]; /* RFC 7515 appendix A.2 */
extern const char key_p256[]; /* RFC 7515 appendix A.3 */
extern const char key_ed25519[]; /* RFC 8037 appendix A */
extern const char key_encrypted[]; /* the passphrase is x */
extern const char key_rsa_1024[]; /* 1024 bits */
extern const char key_p384[]; /* a curve that is not P-256 */
extern const char key_public[]; /* and no private one */
