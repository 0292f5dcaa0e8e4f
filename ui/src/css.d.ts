// SPDX-License-Identifier: Apache-2.0
//
// Style sheets are taken in by the build.

declare module '*.css';
