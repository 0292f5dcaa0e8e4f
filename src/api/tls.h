// SPDX-License-Identifier: Apache-2.0
//
// What libmicrohttpd calls for a certificate of the server.
#pragma once

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *names, int n_names,
                 const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **pcert,
                 unsigned int *pcert_length, gnutls_privkey_t *pkey);
