/** Logo is three signal levers, each at its own height. */
export function Logo({ size = 24 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden>
      <rect width="32" height="32" rx="8" fill="var(--mantine-color-cobalt-6)" />
      <path d="M9 23V9M16 23V9M23 23V9" stroke="#fff" strokeOpacity=".45" strokeWidth="2.5" strokeLinecap="round" />
      <circle cx="9" cy="19" r="3.2" fill="#fff" />
      <circle cx="16" cy="12" r="3.2" fill="#fff" />
      <circle cx="23" cy="16" r="3.2" fill="#fff" />
    </svg>
  );
}
