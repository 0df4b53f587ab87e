import { errors, type Msg, type NatsConnection, type Status, type Subscription, wsconnect } from "@nats-io/nats-core";
import type { ConsoleSession } from "../../api/console";

const patience = 5_000;
const mostBytes = 4_096;

export type Received = { subject: string; reply?: string; text: string; bytes: number; cut: boolean };

export type Listener = {
  onStatus: (status: Status["type"]) => void;
  onClosed: (error?: Error) => void;
};

/** connection is a NATS client that has nothing to show but the browser's cookie. */
export class Connection {
  private readonly nc: NatsConnection;
  private subscription?: Subscription;
  private refusal?: Error;

  private constructor(nc: NatsConnection) {
    this.nc = nc;
  }

  static async open(session: ConsoleSession, listener: Listener): Promise<Connection> {
    if (session.websocket.length === 0) throw new Error("No broker offers WebSocket to a page that came this way.");
    const nc = await wsconnect({
      servers: session.websocket,
      name: "console",
      // There is one cookie for all accounts: another account's is refused then.
      user: session.account_public_key,
      timeout: patience,
      maxReconnectAttempts: -1,
    });
    const connection = new Connection(nc);
    void connection.follow(listener);
    return connection;
  }

  private async follow(listener: Listener): Promise<void> {
    void this.nc.closed().then((error) => listener.onClosed(error ?? undefined));
    for await (const status of this.nc.status()) {
      if (status.type === "error" && status.error instanceof errors.PermissionViolationError)
        this.refusal = status.error;
      listener.onStatus(status.type);
    }
  }

  get broker(): string {
    return this.nc.info?.server_name ?? "";
  }

  /** listen hears a subject instead of the one before. It resolves once the broker has taken it, and fails if it does not. */
  async listen(subject: string, onMessage: (message: Received) => void): Promise<void> {
    this.silence();
    await this.unlessRefused(() => {
      this.subscription = this.nc.subscribe(subject, {
        callback: (error, message) => {
          if (!error) onMessage(received(message));
        },
      });
    });
  }

  silence(): void {
    this.subscription?.unsubscribe();
    this.subscription = undefined;
  }

  publish(subject: string, text: string): Promise<void> {
    return this.unlessRefused(() => this.nc.publish(subject, text));
  }

  close(): Promise<void> {
    return this.nc.close();
  }

  /** The broker's refusal comes before its answer to the ping, and is heard of a turn later. */
  private async unlessRefused(act: () => void): Promise<void> {
    this.refusal = undefined;
    act();
    await this.nc.flush();
    await new Promise((resolve) => setTimeout(resolve));
    if (this.refusal) throw explained(this.refusal);
  }
}

function received(message: Msg): Received {
  const shown = message.data.subarray(0, mostBytes);
  return {
    subject: message.subject,
    reply: message.reply,
    text: new TextDecoder().decode(shown),
    bytes: message.data.length,
    cut: shown.length < message.data.length,
  };
}

function explained(error: Error): Error {
  if (!(error instanceof errors.PermissionViolationError)) return error;
  const verb = error.operation === "publish" ? "publish to" : "subscribe to";
  return new Error(`You may not ${verb} ${error.subject} here.`);
}
