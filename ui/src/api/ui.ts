// SPDX-License-Identifier: Apache-2.0
//
// What the pages call the types of the API. A page of a list is the same shape everywhere.

export interface Page<T> {
  items: T[];
  next?: string | null;
  truncated?: boolean;
}
