import type { CertificateMatch, DeviceLogin, DeviceLoginKind } from "../../api/deviceLogins";
import { shortenKey } from "../../ui/format";

export const kindNames: Record<DeviceLoginKind, string> = {
  password: "Password",
  token: "Token",
  nkey: "Nkey",
  certificate: "Certificate",
};

/** For whom each kind is, as the dialog that offers them says it. */
export const kindSentences: Record<DeviceLoginKind, string> = {
  password: "A user name, and a password that we generate. Every client can do that, MQTT ones included.",
  token: "One secret and no user name, for clients that know tokens. MQTT clients send it as the password.",
  nkey: "The client keeps a key and signs with it: nothing secret is sent, or known to us. Not over MQTT.",
  certificate:
    "The client shows a certificate over TLS that one of the account's authorities has issued: Authentication names those.",
};

export const matchNames: Record<CertificateMatch["kind"], string> = {
  uri: "URI, such as a SPIFFE id",
  dns: "DNS name",
  email: "E-mail address",
  subject: "Whole subject",
  fingerprint: "Fingerprint",
};

export const matchExamples: Record<CertificateMatch["kind"], string> = {
  uri: "spiffe://example.org/pump/7",
  dns: "pump-7.example.org",
  email: "pump-7@example.org",
  subject: "CN=pump 7,O=Example",
  fingerprint: "64 hexadecimal digits of SHA-256",
};

/** loginName is what a person calls a login. */
export function loginName({ description, match, username, kind, public_key }: DeviceLogin): string {
  if (description) return description;
  if (match) return match.value;
  return kind === "password" && username ? username : shortenKey(public_key);
}

/** loginDetail is what a client shows, as far as that is no secret. */
export function loginDetail({ kind, username, match, public_key }: DeviceLogin): string {
  if (kind === "password") return `${kindNames[kind]} with the user name ${username}`;
  if (kind === "nkey") return `${kindNames[kind]} ${shortenKey(public_key)}`;
  return match ? `${kindNames[kind]}, ${match.kind} ${match.value}` : kindNames[kind];
}
