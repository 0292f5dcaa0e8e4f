// SPDX-License-Identifier: Apache-2.0
//
// The page begins here.

import { render } from 'preact';
import { App } from './app.tsx';
import { startRouter } from './router.ts';
import { startTheme } from './parts/theme.ts';
import 'uplot/dist/uPlot.min.css';
import './style/base.css';
import './style/parts.css';
import './style/pages.css';
import './style/live.css';
import './style/network.css';

startTheme();
startRouter();
const root = document.getElementById('app');
if (root) render(<App />, root);
