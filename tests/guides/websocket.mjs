// Browsers and Node.js 22 bring a WebSocket; for Node.js 20 it is this one.
import WebSocket from 'ws';

globalThis.WebSocket ??= WebSocket;
