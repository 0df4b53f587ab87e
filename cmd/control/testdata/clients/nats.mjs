// What the tests do with a connection of any of the NATS clients in JavaScript,
// which have one face.

/** How long a client waits for an answer before it asks again, in milliseconds. */
export const again = 1000;

/** open connects and wraps the connection; tell hears what becomes of it. */
export async function open(library, request, tell) {
  const connection = await library.connect({
    servers: request.url,
    authenticator: library.credsAuthenticator(new TextEncoder().encode(request.creds)),
    reconnect: request.reconnect ?? false,
    // Else one that this server refuses tries those that it names.
    ignoreClusterUpdates: !request.reconnect,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 50,
    reconnectJitter: 0,
    reconnectJitterTLS: 0,
    timeout: 20_000,
    ...request.options,
  });
  void connection.closed().then((why) => tell({ event: "closed", text: why ? String(why.message ?? why) : "" }));
  void (async () => {
    for await (const status of connection.status()) tell({ event: String(status.type) });
  })();
  return wrap(connection, tell);
}

function wrap(connection, tell) {
  const text = (data) => new TextDecoder().decode(data);
  let sending;
  return {
    /** exchange asks somebody who answers on another subject, again and again until there is an answer. */
    async exchange({ topic, data }) {
      const answers = connection.subscribe(`back.${topic}`, { max: 1 });
      const ask = () => connection.publish(`ask.${topic}`, data);
      const asking = setInterval(ask, again);
      try {
        ask();
        for await (const message of answers) return { data: text(message.data) };
      } finally {
        clearInterval(asking);
      }
      throw new Error("the connection is closed");
    },
    async subscribe({ topic }) {
      const messages = connection.subscribe(topic);
      void (async () => {
        for await (const message of messages) {
          tell({
            event: "message",
            topic: message.subject,
            data: message.data.length < 1024 ? text(message.data) : "",
            size: message.data.length,
          });
        }
      })();
      await connection.flush();
    },
    async publish({ topic, data, size }) {
      connection.publish(topic, size ? new Uint8Array(size).fill(120) : data);
      const closed = connection.closed().then(() => Promise.reject(new Error("the connection is closed")));
      await Promise.race([connection.flush(), closed]);
    },
    /** send publishes numbered messages to a stream, each until it is acknowledged, until stop. */
    async send({ topic }) {
      const mine = { stopped: false, acknowledged: 0, retried: 0 };
      sending = mine;
      mine.done = (async () => {
        while (!mine.stopped) {
          try {
            const answer = await connection.request(topic, String(mine.acknowledged), { timeout: 1000 });
            const { error } = JSON.parse(text(answer.data));
            if (error) throw new Error(error.description);
            mine.acknowledged += 1;
          } catch {
            mine.retried += 1; // what was stored but not acknowledged is stored twice: no loss
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        }
      })();
    },
    async sent() {
      return { acknowledged: sending.acknowledged };
    },
    async stop() {
      sending.stopped = true;
      await sending.done;
      return { acknowledged: sending.acknowledged, retried: sending.retried };
    },
    async server() {
      return { data: connection.info?.server_name ?? "" };
    },
    async close() {
      await connection.close();
    },
  };
}
