// Express with a session store in PostgreSQL, which does what it is told on standard input, line
// by line, as the workers in Python do: node server.js none|pg-simple|sequelize
"use strict";

const http = require("node:http");
const readline = require("node:readline");
const express = require("express");
const expressSession = require("express-session");
const { Pool } = require("pg");

const NO_PRUNING = false;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
let app, port;

const stores = {
  async "pg-simple"(pool) {
    const Store = require("connect-pg-simple")(expressSession);
    return new Store({ pool, createTableIfMissing: true, pruneSessionInterval: NO_PRUNING });
  },
  async sequelize(_pool, url) {
    const { Sequelize } = require("sequelize");
    const Store = require("connect-session-sequelize")(expressSession.Store);
    const db = new Sequelize(url, { logging: false });
    const store = new Store({ db, checkExpirationInterval: 0 });
    await store.sync();
    return store;
  },
};

async function prepare({ place: { url, contents } }) {
  const plain = url.replace("+psycopg", "");
  const pool = new Pool({ connectionString: plain });
  app = express();
  const name = process.argv[2];
  if (name !== "none") {
    const store = await stores[name](pool, plain);
    const secret = "a secret of the benchmark";
    app.use(expressSession({ store, secret, resave: false, saveUninitialized: false }));
  }
  addPages(pool, contents, name !== "none");
  return {};
}

function addPages(pool, contents, hasSessions) {
  const query = async () => {
    const found = await pool.query("SELECT id, name FROM things WHERE id = $1", [1]);
    return found.rows[0].name;
  };
  const add = (session, key) => {
    session[key] = (session[key] ?? 0) + 1;
  };
  app.get("/x", (_request, response) => response.send("ok"));
  app.get("/page", async (request, response) => {
    if (hasSessions) request.session.counter;
    response.send(await query());
  });
  app.get("/late", async (request, response) => {
    const found = await query();
    request.session.counter;
    response.send(found);
  });
  app.get("/r", (request, response) => response.send(String(request.session.counter)));
  app.post("/w", (request, response) => {
    add(request.session, "counter");
    response.send("ok");
  });
  for (const [payload, content] of Object.entries(contents)) {
    app.get(`/n-${payload}`, (request, response) => {
      Object.assign(request.session, content);
      response.send("ok");
    });
  }
  app.get("/show", (request, response) => {
    response.send(String(request.session[request.query.key] ?? 0));
  });
  app.post("/add", (request, response) => {
    add(request.session, request.query.key);
    response.send("ok");
  });
}

function serve() {
  return new Promise((resolve) => {
    const server = app.listen(0, "127.0.0.1", () => {
      port = server.address().port;
      resolve({ port });
    });
    server.keepAliveTimeout = 600_000; // others have their turns meanwhile
  });
}

function ask(method, path, cookie) {
  return new Promise((resolve, reject) => {
    const headers = cookie ? { cookie } : {};
    const asked = { host: "127.0.0.1", port, method, path, headers, agent };
    const request = http.request(asked, (response) => {
      let body = "";
      response.on("data", (part) => (body += part));
      response.on("end", () => resolve({ status: response.statusCode, body }));
    });
    request.on("error", reject);
    request.end();
  });
}

async function race({ key, cookie, requests }) {
  const answers = {};
  const began = Number(process.hrtime.bigint()) / 1e9; // the same clock as Python's monotonic()
  for (let number = 0; number < requests; number++) {
    const { status } = await ask("POST", `/add?key=${key}`, cookie);
    answers[status] = (answers[status] ?? 0) + 1;
  }
  return { began, ended: Number(process.hrtime.bigint()) / 1e9, answers };
}

async function show({ key, cookie }) {
  return { body: (await ask("GET", `/show?key=${key}`, cookie)).body };
}

const told = { prepare, serve, race, show };

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { do: name, ...given } = JSON.parse(line);
    try {
      console.log(JSON.stringify(await told[name](given)));
    } catch (error) {
      console.log(JSON.stringify({ error: error.stack }));
    }
  }
  process.exit();
}

main();
