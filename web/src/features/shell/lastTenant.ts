const storageKey = "signalbox.tenant";

/** lastTenant is the tenant whose pages were open last in this browser: where pages without one of their own belong. */
export function lastTenant(): string | null {
  try {
    return localStorage.getItem(storageKey);
  } catch {
    return null;
  }
}

export function rememberTenant(id: string): void {
  try {
    localStorage.setItem(storageKey, id);
  } catch {
    // Storage is blocked: the first tenant will do.
  }
}
