/*
 * libjwt and jose would do as much: the one of Debian 12 knows no EdDSA, and both bring a parser and an allocator of their own for what are two
 * small objects of JSON.
 */
#include "daemon/base/jws.h"

#include "common/fault.h"
#include "common/wipe.h"

#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

enum {
        RSA_BITS_LEAST = 2048, /* RFC 7518 section 3.3 */
        RSA_BITS_MOST = 8 * JWS_SIGNATURE_MAX, /* a signature by a longer one holds everybody up */
        P256_SIZE = 32,
};

struct jws_key {
        EVP_PKEY *pkey;
        enum jws_algorithm algorithm;
};

/* ---- OpenSSL, when it is needed ---- */

#define FUNCTIONS(X)                                                                                         \
        X(CRYPTO_set_mem_functions)                                                                          \
        X(ERR_clear_error)                                                                                   \
        X(ERR_get_error)                                                                                     \
        X(BIO_new_mem_buf)                                                                                   \
        X(BIO_free)                                                                                          \
        X(BN_bn2binpad)                                                                                      \
        X(PEM_read_bio_PrivateKey)                                                                           \
        X(EVP_PKEY_free)                                                                                     \
        X(EVP_PKEY_get_base_id)                                                                              \
        X(EVP_PKEY_get_bits)                                                                                 \
        X(EVP_PKEY_get_group_name)                                                                           \
        X(EVP_PKEY_CTX_set_rsa_padding)                                                                      \
        X(EVP_PKEY_CTX_set_rsa_pss_saltlen)                                                                  \
        X(EVP_MD_CTX_new)                                                                                    \
        X(EVP_MD_CTX_free)                                                                                   \
        X(EVP_DigestSignInit)                                                                                \
        X(EVP_DigestSign)                                                                                    \
        X(EVP_sha256)                                                                                        \
        X(ECDSA_SIG_free)                                                                                    \
        X(ECDSA_SIG_get0_r)                                                                                  \
        X(ECDSA_SIG_get0_s)                                                                                  \
        X(d2i_ECDSA_SIG)

#define MEMBER(name) __typeof__(name) *name;
#define NAME(name) #name,

/* One for the whole process, as the library is. Members in the order of names. */
static struct {
        FUNCTIONS(MEMBER)
} openssl;

static const char *const function_names[] = { FUNCTIONS(NAME) };

#define LIBRARY "libcrypto.so.3"
static_assert(OPENSSL_SHLIB_VERSION == 3, "the library of these headers");

/* What looks for libraries in a program's head finds none of this; https://uapi-group.org/specifications/specs/elf_dlopen_metadata/ */
__asm__(".pushsection .note.dlopen, \"a\", %note\n"
        ".balign 4\n"
        ".long 2f - 1f, 4f - 3f, 0x407c0c0a\n"
        "1: .asciz \"FDO\"\n"
        "2: .balign 4\n"
        "3: .asciz \"[{\\\"feature\\\":\\\"private_key_jwt\\\",\\\"description\\\":\\\"Keys of clients\\\","
        "\\\"priority\\\":\\\"recommended\\\",\\\"soname\\\":[\\\"" LIBRARY "\\\"]}]\"\n"
        "4: .balign 4\n"
        ".popsection\n");

static int load(struct diag *diag)
{
        enum { N = sizeof(function_names) / sizeof(function_names[0]) };
        void *functions[N], *library;

        if (openssl.d2i_ECDSA_SIG)
                return 0;
        library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
        for (size_t i = 0; i < N; i++) {
                functions[i] = library ? dlsym(library, function_names[i]) : NULL;
                if (!functions[i]) {
                        diag_set(diag, "cannot be used, since OpenSSL's " LIBRARY
                                       " cannot be loaded: install the package libssl3");
                        return JWS_E_UNUSABLE;
                }
        }
        static_assert(sizeof(functions) == sizeof(openssl), "a function for each name");
        memcpy(&openssl, functions, sizeof(openssl));
        wipe_install_in_openssl(openssl.CRYPTO_set_mem_functions);
        return 0;
}

/* Why OpenSSL failed: for want of memory, or as words say. Its own may repeat what it read. */
static int explain(struct diag *diag, const char *words)
{
        bool no_memory = false;

        for (unsigned long error = openssl.ERR_get_error(); error; error = openssl.ERR_get_error())
                no_memory = no_memory || ERR_GET_REASON(error) == ERR_R_MALLOC_FAILURE;
        if (no_memory)
                return fault(-ENOMEM);
        diag_set(diag, "%s", words);
        return JWS_E_UNUSABLE;
}

/* ---- keys ---- */

static const char *const names[] = {
        [JWS_BY_KEY] = "",     [JWS_RS256] = "RS256", [JWS_PS256] = "PS256",
        [JWS_ES256] = "ES256", [JWS_EDDSA] = "EdDSA",
};

const char *jws_algorithm_name(enum jws_algorithm algorithm)
{
        return names[algorithm];
}

struct kind {
        const char *name;
        enum jws_algorithm algorithms[2]; /* the first one by itself */
};

static const struct kind rsa = { "an RSA key", { JWS_RS256, JWS_PS256 } };
static const struct kind rsa_pss = { "an RSA-PSS key", { JWS_PS256, JWS_PS256 } };
static const struct kind p256 = { "an EC key of P-256", { JWS_ES256, JWS_ES256 } };
static const struct kind ed25519 = { "an Ed25519 key", { JWS_EDDSA, JWS_EDDSA } };

static int check_length(const EVP_PKEY *pkey, struct diag *diag)
{
        int bits = openssl.EVP_PKEY_get_bits(pkey);

        if (bits >= RSA_BITS_LEAST && bits <= RSA_BITS_MOST)
                return 0;
        diag_set(diag, "is an RSA key of %d bits: make one of %d to %d", bits, RSA_BITS_LEAST, RSA_BITS_MOST);
        return JWS_E_UNUSABLE;
}

static bool is_p256(const EVP_PKEY *pkey)
{
        char group[32];
        size_t n;

        return openssl.EVP_PKEY_get_group_name(pkey, group, sizeof(group), &n) == 1 &&
               strcmp(group, SN_X9_62_prime256v1) == 0;
}

static int find_kind(const EVP_PKEY *pkey, const struct kind **ret, struct diag *diag)
{
        switch (openssl.EVP_PKEY_get_base_id(pkey)) {
        case EVP_PKEY_RSA:
                *ret = &rsa;
                return check_length(pkey, diag);
        case EVP_PKEY_RSA_PSS:
                *ret = &rsa_pss;
                return check_length(pkey, diag);
        case EVP_PKEY_ED25519:
                *ret = &ed25519;
                return 0;
        case EVP_PKEY_EC:
                *ret = &p256;
                if (is_p256(pkey))
                        return 0;
                /* fall through */
        default:
                diag_set(diag, "is of a kind that cannot be used: make one of RSA, EC (P-256) or Ed25519");
                return JWS_E_UNUSABLE;
        }
}

static int choose_algorithm(struct jws_key *key, enum jws_algorithm wanted, struct diag *diag)
{
        const struct kind *kind;
        int r = find_kind(key->pkey, &kind, diag);

        if (r != 0)
                return r;
        key->algorithm = wanted == JWS_BY_KEY ? kind->algorithms[0] : wanted;
        if (key->algorithm == kind->algorithms[0] || key->algorithm == kind->algorithms[1])
                return 0;
        diag_set(diag, "is %s, which makes no signatures of %s", kind->name, jws_algorithm_name(wanted));
        return JWS_E_UNUSABLE;
}

/* OpenSSL would ask at the terminal. */
static int give_no_passphrase(char *buffer, int size, int writing, void *userdata)
{
        *(bool *)userdata = true;
        return -1;
}

static int read_pem(const struct secret *pem, EVP_PKEY **ret, struct diag *diag)
{
        BIO *bio = openssl.BIO_new_mem_buf(secret_expose(pem), (int)secret_size(pem));
        bool encrypted = false;

        if (!bio)
                return fault(-ENOMEM);
        *ret = openssl.PEM_read_bio_PrivateKey(bio, NULL, give_no_passphrase, &encrypted);
        openssl.BIO_free(bio);
        if (*ret)
                return 0;
        return explain(diag,
                       encrypted ? "is encrypted, and nobody is there to type its passphrase: take that away "
                                   "(openssl pkey -in OLD -out NEW)"
                                 : "is no private key in PEM");
}

int jws_key_new(struct jws_key **ret, const struct secret *pem, enum jws_algorithm algorithm,
                struct diag *diag)
{
        _cleanup_(jws_key_freep) struct jws_key *key = NULL;
        int r = load(diag);

        if (r != 0)
                return r;
        openssl.ERR_clear_error();
        key = calloc(1, sizeof(*key));
        r = key ? read_pem(pem, &key->pkey, diag) : fault(-ENOMEM);
        if (r == 0)
                r = choose_algorithm(key, algorithm, diag);
        openssl.ERR_clear_error();
        if (r == 0)
                *ret = take_ptr(key);
        return r;
}

struct jws_key *jws_key_free(struct jws_key *key)
{
        if (!key)
                return NULL;
        openssl.EVP_PKEY_free(key->pkey);
        free(key);
        return NULL;
}

enum jws_algorithm jws_key_algorithm(const struct jws_key *key)
{
        return key->algorithm;
}

/* ---- signing ---- */

static bool begin(const struct jws_key *key, EVP_MD_CTX *context)
{
        const EVP_MD *digest = key->algorithm == JWS_EDDSA ? NULL : openssl.EVP_sha256();
        EVP_PKEY_CTX *parameters; /* the context's */

        if (openssl.EVP_DigestSignInit(context, &parameters, digest, NULL, key->pkey) != 1)
                return false;
        /* RFC 7518 section 3.5. */
        return key->algorithm != JWS_PS256 ||
               (openssl.EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1 &&
                openssl.EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1);
}

/* RFC 7518 section 3.4: R and S side by side, where OpenSSL has them in DER. */
static bool flatten(unsigned char *signature, size_t *n)
{
        const unsigned char *der = signature;
        ECDSA_SIG *pair = openssl.d2i_ECDSA_SIG(NULL, &der, (long)*n);
        bool good = pair &&
                    openssl.BN_bn2binpad(openssl.ECDSA_SIG_get0_r(pair), signature, P256_SIZE) == P256_SIZE &&
                    openssl.BN_bn2binpad(openssl.ECDSA_SIG_get0_s(pair), signature + P256_SIZE, P256_SIZE) ==
                            P256_SIZE;

        openssl.ECDSA_SIG_free(pair);
        *n = 2 * (size_t)P256_SIZE;
        return good;
}

int jws_sign(const struct jws_key *key, const void *bytes, size_t n,
             unsigned char ret_signature[JWS_SIGNATURE_MAX], size_t *ret_n)
{
        EVP_MD_CTX *context = openssl.EVP_MD_CTX_new();
        bool good;

        *ret_n = JWS_SIGNATURE_MAX;
        good = context && begin(key, context) &&
               openssl.EVP_DigestSign(context, ret_signature, ret_n, bytes, n) == 1 &&
               (key->algorithm != JWS_ES256 || flatten(ret_signature, ret_n));
        openssl.EVP_MD_CTX_free(context);
        openssl.ERR_clear_error();
        /* A key that was read can sign, if there is memory. */
        return good ? 0 : fault(-ENOMEM);
}
