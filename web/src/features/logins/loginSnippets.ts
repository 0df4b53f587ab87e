import type { Endpoints } from "../../api/accounts";
import type { DeviceLogin, DeviceLoginCreated } from "../../api/deviceLogins";

export type LoginSnippet = { client: string; code: string };

/** loginSnippets are ways to send a first message with the login, by client; none for one that cannot use it. */
export function loginSnippets({ device_login: login, secret = "" }: DeviceLoginCreated, at: Endpoints): LoginSnippet[] {
  const nats = at.nats[0] ?? "nats://broker.example.org:4222";
  const mqtt = new URL((at.mqtt[0] ?? "mqtt://broker.example.org:1883").replace(/^mqtts?:/, "http:"));
  const host = `-h ${mqtt.hostname} -p ${mqtt.port || "1883"}`;
  switch (login.kind) {
    case "password":
      return [
        {
          client: "nats",
          code: `nats --server ${nats} --user ${word(login.username)} --password ${secret} pub hello world`,
        },
        {
          client: "mosquitto",
          code: `mosquitto_pub ${host} -u ${word(login.username)} -P ${secret} -t hello -m world`,
        },
        { client: "Go", code: goProgram(nats, `nats.UserInfo(${text(login.username)}, ${text(secret)})`) },
      ];
    case "token":
      return [
        { client: "nats", code: `nats --server ${withUser(nats, secret)} pub hello world` },
        { client: "mosquitto", code: `mosquitto_pub ${host} -u token -P ${secret} -t hello -m world` },
        { client: "Go", code: goProgram(nats, `nats.Token(${text(secret)})`) },
      ];
    case "nkey":
      return [
        {
          client: "JavaScript",
          code: `const nc = await connect({
  servers: ${text(nats)},
  authenticator: [
    nkeyAuthenticator(seed), // the bytes of its text, SU…
    usernamePasswordAuthenticator(${text(login.username)}),
  ],
});
nc.publish("hello", "world");
await nc.drain();`,
        },
        {
          client: "Go",
          code: `key, err := nats.NkeyOptionFromSeed("device.nk")
if err != nil {
	log.Fatal(err)
}
${goProgram(nats, `key, nats.UserInfo(${text(login.username)}, "")`)}`,
        },
      ];
    case "certificate":
      return certificateSnippets(login, nats.replace(/^nats:/, "tls:"), mqtt.hostname);
  }
}

function certificateSnippets({ username }: DeviceLogin, url: string, host: string): LoginSnippet[] {
  return [
    {
      client: "nats",
      code: `nats --server ${withUser(url, username ?? "")} --tlscert device.pem --tlskey device-key.pem --tlsca ca.pem pub hello world`,
    },
    {
      client: "mosquitto",
      code: `mosquitto_pub -h ${host} -p 8883 --cafile ca.pem --cert device.pem --key device-key.pem -u ${username} -t hello -m world`,
    },
    {
      client: "Go",
      code: goProgram(
        url,
        `nats.UserInfo(${text(username)}, ""),\n\tnats.ClientCert("device.pem", "device-key.pem"), nats.RootCAs("ca.pem")`,
      ),
    },
  ];
}

function goProgram(url: string, options: string): string {
  return `nc, err := nats.Connect(${text(url)}, ${options})
if err != nil {
	log.Fatal(err)
}
defer nc.Close()
err = nc.Publish("hello", []byte("world"))`;
}

function withUser(url: string, user: string): string {
  return url.replace("://", `://${user}@`);
}

function text(value: string | null): string {
  return JSON.stringify(value ?? "");
}

/** word quotes a shell's word where it needs that. */
function word(value: string | null): string {
  const plain = value ?? "";
  return /^[\w./@:-]+$/.test(plain) ? plain : `'${plain.replaceAll("'", `'\\''`)}'`;
}
