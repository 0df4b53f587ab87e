/** What dialogs offer, in days; "" is never. */
export const expiries = [
  { value: "", label: "Never" },
  { value: "1", label: "In 24 hours" },
  { value: "7", label: "In 7 days" },
  { value: "30", label: "In 30 days" },
  { value: "90", label: "In 90 days" },
  { value: "365", label: "In a year" },
];

/** The same for creds, where saying nothing leaves it to the role and the plan. */
export const lifetimes = [
  { value: "", label: "As the role and the plan have it" },
  ...expiries.filter(({ value }) => value !== ""),
];

/** expiresAt turns a choice into the API's `expires_at`; undefined is never. */
export function expiresAt(days: string, now: number): string | undefined {
  return days === "" ? undefined : new Date(now + Number(days) * 86_400_000).toISOString();
}

/** expiresIn turns a choice into the API's `expires_in`; undefined leaves it to the role and the plan. */
export function expiresIn(days: string): string | undefined {
  return days === "" ? undefined : `P${days}D`;
}
