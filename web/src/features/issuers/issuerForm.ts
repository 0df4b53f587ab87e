import type { OidcCondition, OidcIssuer, OidcIssuerCreate, OidcRule } from "../../api/oidcIssuers";

/** A rule as a form holds it. `id` stays with it while it is moved; it is the form's own. */
export type RuleForm = {
  id: number;
  conditions: OidcCondition[];
  roleId: string;
  name: string;
  tags: string[];
  maxLifetime: string | null;
};

export type IssuerForm = { url: string; description: string; audiences: string[]; rules: RuleForm[] };

export const newCondition: OidcCondition = { claim: "", match: "exact", value: "" };

let rules = 0;

export function newRule(): RuleForm {
  rules += 1;
  return {
    id: rules,
    conditions: [{ claim: "sub", match: "glob", value: "" }],
    roleId: "",
    name: "",
    tags: [],
    maxLifetime: null,
  };
}

export const newIssuer = (): IssuerForm => ({ url: "", description: "", audiences: [], rules: [newRule()] });

export function formOf({ url, description, audiences, rules: list }: OidcIssuer): IssuerForm {
  return { url, description, audiences, rules: list.map(ruleFormOf) };
}

function ruleFormOf({ conditions, role_id, name, tags, max_lifetime }: OidcRule): RuleForm {
  return { ...newRule(), conditions, roleId: role_id, name, tags: tags ?? [], maxLifetime: max_lifetime ?? null };
}

export function bodyOf({ url, description, audiences, rules: list }: IssuerForm): OidcIssuerCreate {
  return { url: url.trim(), description: description.trim(), audiences, rules: list.map(ruleOf) };
}

export function ruleOf({ conditions, roleId, name, tags, maxLifetime }: RuleForm): OidcRule {
  return {
    // Only the claim's name is trimmed: in a value a space may be meant.
    conditions: conditions.map((one) => ({ ...one, claim: one.claim.trim() })),
    role_id: roleId,
    name: name.trim(),
    tags,
    ...(maxLifetime !== null && { max_lifetime: maxLifetime }),
  };
}

/** moved has the item at one place at another. */
export function moved<Item>(list: readonly Item[], from: number, to: number): Item[] {
  const rest = list.filter((_, place) => place !== from);
  return [...rest.slice(0, to), ...list.slice(from, from + 1), ...rest.slice(to)];
}

/** pointersOf are the places of the body that the form has fields for. */
export function pointersOf({ rules: list }: IssuerForm): string[] {
  return [
    "/url",
    "/description",
    "/audiences",
    "/rules",
    ...list.flatMap(({ conditions }, index) => [
      ...["", "/conditions", "/role_id", "/name", "/tags", "/max_lifetime"].map((part) => `/rules/${index}${part}`),
      ...conditions.flatMap((_, place) =>
        ["", "/claim", "/match", "/value"].map((part) => `/rules/${index}/conditions/${place}${part}`),
      ),
    ]),
  ];
}
