import type { OidcCondition, OidcRule } from "../../api/oidcIssuers";
import { formatDuration } from "../../ui/format";

export const matchVerbs: Record<OidcCondition["match"], string> = {
  exact: "is",
  prefix: "starts with",
  glob: "matches",
};

/** ruleSentence says a rule in plain words: "sub matches repo:acme/* → role pipelines as ci-{{repository}}, at most 1 hour". */
export function ruleSentence(rule: OidcRule, role: string): string {
  const conditions = rule.conditions.map(({ claim, match, value }) => `${claim} ${matchVerbs[match]} ${value}`);
  const tags = rule.tags ?? [];
  return [
    `${conditions.join(" and ")} → role ${role} as ${rule.name}`,
    tags.length > 0 && `tagged ${tags.join(" ")}`,
    rule.max_lifetime && `at most ${formatDuration(rule.max_lifetime)}`,
  ]
    .filter(Boolean)
    .join(", ");
}
