/** certificatesOf are the certificates of a text; what is none stands by itself, for the server to say so. */
export function certificatesOf(text: string): string[] {
  return text
    .split(/(-----BEGIN [^-]+-----[\s\S]*?-----END [^-]+-----)/)
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

/** hasPrivateKey tells what must not leave the page. */
export function hasPrivateKey(text: string): boolean {
  return text.includes("PRIVATE KEY-----");
}

/** readCertificates is a file's text; one in DER, which is no text, becomes PEM. */
export async function readCertificates(file: Blob): Promise<string> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  // A certificate in DER is an ASN.1 SEQUENCE.
  if (bytes[0] !== 0x30) return new TextDecoder().decode(bytes);
  const base64 = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return `-----BEGIN CERTIFICATE-----\n${base64.replace(/(.{64})(?=.)/g, "$1\n")}\n-----END CERTIFICATE-----\n`;
}
