/** What a template's variables stand for when one user connects. */
export type TemplateFacts = {
  userName: string;
  userTags: readonly string[];
  accountName: string;
  accountKey: string;
  accountTags: readonly string[];
};

export type Variable = { write: string; means: string };

export const variables: Variable[] = [
  { write: "{{name()}}", means: "the user's name" },
  { write: "{{tag(region)}}", means: "each of the user's tags that begin with region:" },
  { write: "{{account-name()}}", means: "the account's name" },
  { write: "{{account-tag(env)}}", means: "each of the account's tags that begin with env:" },
  { write: "{{subject()}}", means: "the public key of the user's creds" },
  { write: "{{account-subject()}}", means: "the account's public key" },
];

/** Stands where a template puts the key of whichever creds the user connects with. */
export const credentialKey = "U…";

const variable = /\{\{[^{}]*\}\}/g;

export function hasVariables(subjects: readonly string[]): boolean {
  return subjects.some((subject) => subject.includes("{{"));
}

/**
 * expand is what a broker makes of one subject for one user: one subject for each combination of tag values, none when
 * the user has no such tag or a value does not fit into a subject. The server judges; this is for the eye.
 */
export function expand(subject: string, facts: TemplateFacts): string[] {
  let expanded = [subject];
  for (const [written] of subject.matchAll(variable)) {
    const values = valuesOf(written.slice(2, -2).trim(), facts).filter((value) => /^\S+$/.test(value));
    expanded = expanded.flatMap((one) => values.map((value) => one.replace(written, () => value)));
  }
  return [...new Set(expanded)];
}

function valuesOf(call: string, facts: TemplateFacts): string[] {
  const [, name = "", argument = ""] = /^([a-z-]+)\((.*)\)$/i.exec(call) ?? [];
  switch (name.toLowerCase()) {
    case "name":
      return [facts.userName];
    case "subject":
      return [credentialKey];
    case "account-name":
      return [facts.accountName];
    case "account-subject":
      return [facts.accountKey];
    case "tag":
      return tagged(facts.userTags, argument);
    case "account-tag":
      return tagged(facts.accountTags, argument);
    default:
      // Unknown: left as it is, so that the eye finds it; the server refuses it.
      return [`{{${call}}}`];
  }
}

function tagged(tags: readonly string[], name: string): string[] {
  const prefix = `${name.toLowerCase()}:`;
  return tags.filter((tag) => tag.startsWith(prefix)).map((tag) => tag.slice(prefix.length));
}
