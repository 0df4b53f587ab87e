import type { Endpoints } from "../../api/accounts";
import type { DeviceLoginCreated } from "../../api/deviceLogins";

export type LoginSnippet = { client: string; code: string };

/** Where a login is used: over TLS wherever there is some, since passwords go over the wire as they are. */
type Place = {
  nats: string;
  /** Host and port of MQTT. */
  mqtt: { host: string; port: string; tls: boolean };
  /** Clients have to be told whom to trust: the account's overview has the file ca.pem. */
  ca: boolean;
};

function placeOf(at: Endpoints): Place {
  const mqtt = at.mqtts[0] ?? at.mqtt[0] ?? "mqtts://broker.example.org:8883";
  const { hostname, port } = new URL(mqtt.replace(/^mqtts?:/, "http:"));
  return {
    nats: at.tls[0] ?? at.nats[0] ?? "tls://broker.example.org:4222",
    mqtt: { host: hostname, port: port || "8883", tls: mqtt.startsWith("mqtts:") },
    ca: at.ca_pem !== null && at.tls.length + at.mqtts.length > 0,
  };
}

/** loginSnippets are ways to send a first message with the login, by client; none for one that cannot use it. */
export function loginSnippets({ device_login: login, secret = "" }: DeviceLoginCreated, at: Endpoints): LoginSnippet[] {
  const place = placeOf(at);
  const name = login.username ?? "";
  switch (login.kind) {
    case "password":
      return [
        natsTool(place.nats, place, `--user ${word(name)} --password ${secret}`),
        mosquitto(place, `-u ${word(name)} -P ${secret}`),
        goProgram(place, `nats.UserInfo(${text(name)}, ${text(secret)})`),
      ];
    case "token":
      return [
        natsTool(withUser(place.nats, secret), place),
        mosquitto(place, `-u token -P ${secret}`),
        goProgram(place, `nats.Token(${text(secret)})`),
      ];
    case "nkey":
      return [
        goProgram(
          place,
          `key, nats.UserInfo(${text(name)}, "")`,
          `key, err := nats.NkeyOptionFromSeed("device.nk")\nif err != nil {\n\tlog.Fatal(err)\n}\n`,
        ),
        {
          client: "JavaScript",
          code: `const nc = await connect({
  servers: ${text(place.nats)},${place.ca ? '\n  tls: { caFile: "ca.pem" },' : ""}
  authenticator: [
    nkeyAuthenticator(seed), // the bytes of its text, SU…
    usernamePasswordAuthenticator(${text(name)}),
  ],
});
nc.publish("hello", "world");
await nc.drain();`,
        },
      ];
    case "certificate":
      return [
        natsTool(withUser(place.nats, name), place, "--tlscert device.pem --tlskey device-key.pem"),
        mosquitto(place, `--cert device.pem --key device-key.pem \\\n  -u ${name}`),
        goProgram(place, `nats.UserInfo(${text(name)}, ""),\n\tnats.ClientCert("device.pem", "device-key.pem")`),
      ];
  }
}

function natsTool(url: string, { ca }: Place, how = ""): LoginSnippet {
  const options = [how, ca ? "--tlsca ca.pem" : ""].filter(Boolean).join(" ");
  return { client: "nats", code: `nats --server ${url} \\\n  ${options && `${options} \\\n  `}pub hello world` };
}

function mosquitto({ mqtt, ca }: Place, how: string): LoginSnippet {
  const trust = mqtt.tls ? (ca ? " --cafile ca.pem" : " --tls-use-os-certs") : "";
  return {
    client: "mosquitto",
    code: `mosquitto_pub -h ${mqtt.host} -p ${mqtt.port}${trust} \\\n  ${how} \\\n  -t hello -m world`,
  };
}

function goProgram({ nats, ca }: Place, options: string, before = ""): LoginSnippet {
  const all = ca ? `${options}, nats.RootCAs("ca.pem")` : options;
  const code = `${before}nc, err := nats.Connect(${text(nats)},\n\t${all})
if err != nil {
	log.Fatal(err)
}
defer nc.Close()
err = nc.Publish("hello", []byte("world"))`;
  return { client: "Go", code };
}

function withUser(url: string, user: string): string {
  return url.replace("://", `://${user}@`);
}

function text(value: string): string {
  return JSON.stringify(value);
}

/** word quotes a shell's word where it needs that. */
function word(value: string): string {
  return /^[\w./@:-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`;
}
