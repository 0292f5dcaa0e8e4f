// SPDX-License-Identifier: Apache-2.0
#include "transport/cert.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#include "base/macro.h"
#include "base/strutil.h"
#include "transport/pki.h"

#define DER_MAX (16u << 10)

static int unreadable(struct error *err, const char *what)
{
    return pki_error(err, -EBADMSG, what);
}

// The agent's name, if this URI is one: -ENOENT it is not, -EBADMSG: it looks like one, but is none.
static int agent_of_uri(const ASN1_IA5STRING *uri, char ret_id[WIRE_UUID_TEXT])
{
    const size_t prefix = sizeof(CERT_AGENT_URN) - 1;
    const char *text = (const char *)ASN1_STRING_get0_data(uri);
    size_t len = (size_t)ASN1_STRING_length(uri);
    char id[WIRE_UUID_TEXT];

    if (len < prefix || memcmp(text, CERT_AGENT_URN, prefix) != 0)
        return -ENOENT;
    if (len != prefix + sizeof(id) - 1)
        return -EBADMSG;
    memcpy(id, text + prefix, sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    if (!wire_uuid_valid(id))
        return -EBADMSG;
    memcpy(ret_id, id, sizeof(id));
    return 0;
}

// "" where there is none. More than one name would let two readers see two agents.
static int agent_of(X509 *cert, char ret_id[WIRE_UUID_TEXT])
{
    int critical = 0, n = 0, r = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, &critical, NULL);

    ret_id[0] = '\0';
    if (!names)
        return critical == -1 ? 0 : -EBADMSG; // -1: no such extension; else: twice, or damaged
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && r == 0; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

        if (name->type != GEN_URI)
            continue;
        r = agent_of_uri(name->d.uniformResourceIdentifier, ret_id);
        if (r == 0 && ++n > 1)
            r = -EBADMSG;
        else if (r == -ENOENT)
            r = 0;
    }
    GENERAL_NAMES_free(names);
    return r;
}

static int ms_of(const ASN1_TIME *time, int64_t *ret_ms)
{
    struct tm tm;

    if (ASN1_TIME_to_tm(time, &tm) != 1)
        return -EBADMSG;
    *ret_ms = (int64_t)timegm(&tm) * 1000;
    return 0;
}

static int serial_of(X509 *cert, char ret_text[CERT_SERIAL_TEXT])
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(cert);
    int len = ASN1_STRING_length(serial);

    if (ASN1_STRING_type(serial) != V_ASN1_INTEGER || len < 1 || len > (CERT_SERIAL_TEXT - 1) / 2)
        return -EBADMSG;
    pki_hex(ASN1_STRING_get0_data(serial), (size_t)len, ret_text);
    return 0;
}

int pki_cert_info(X509 *cert, struct cert_info *ret, struct error *err)
{
    struct cert_info info = {};
    uint8_t hash[CERT_FINGERPRINT];

    if (agent_of(cert, info.agent_id) < 0)
        return unreadable(err, "the names in a certificate cannot be read");
    if (serial_of(cert, info.serial) < 0)
        return unreadable(err, "a certificate has no usable serial number");
    if (ms_of(X509_get0_notBefore(cert), &info.not_before_ms) < 0 ||
        ms_of(X509_get0_notAfter(cert), &info.not_after_ms) < 0)
        return unreadable(err, "the times in a certificate cannot be read");
    if (pki_fingerprint(cert, hash) < 0)
        return unreadable(err, "a certificate cannot be hashed");
    pki_hex(hash, sizeof(hash), info.fingerprint);
    ERR_clear_error();
    *ret = info;
    return 0;
}

int cert_read_der(const void *der, size_t len, struct cert_info *ret, struct error *err)
{
    const unsigned char *p = der;
    _cleanup_cert_ X509 *cert = NULL;

    if (len == 0 || len > DER_MAX)
        return unreadable(err, "a certificate is empty or too long");
    cert = d2i_X509(NULL, &p, (long)len);
    if (!cert || p != (const unsigned char *)der + len)
        return unreadable(err, "a certificate cannot be read");
    return pki_cert_info(cert, ret, err);
}

int cert_read_pem(const char *pem, struct cert_info *ret, struct error *err)
{
    _cleanup_cert_ X509 *cert = NULL;

    if (!pem || strnlen(pem, 4 * WIRE_PEM_MAX + 1) > 4 * WIRE_PEM_MAX)
        return unreadable(err, "a certificate is missing or too long");
    cert = pki_read_cert(pem);
    if (!cert)
        return unreadable(err, "a certificate cannot be read");
    return pki_cert_info(cert, ret, err);
}
