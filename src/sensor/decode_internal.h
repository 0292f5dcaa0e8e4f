// SPDX-License-Identifier: Apache-2.0
//
// The parts of decode_record() that have files of their own. Each is handed a field as it lies in the record, believes nothing
// of it, and fills one part of the event: 0 or -EBADMSG.
#pragma once

#include "model/event.h"

// decode_finding.c. field.s NULL: the record has none.
int decode_finding(struct bytes field, struct finding *ret);
