import { CircleAlert, CircleCheck, Info, OctagonX } from "lucide-react";
import type { ReactNode } from "react";
import classes from "./Notice.module.css";

type NoticeProps = {
  tone: "ok" | "attention" | "stopped" | "info";
  title?: ReactNode;
  /** An alert is read out at once; a status when the reader pauses. */
  role?: "alert" | "status";
  actions?: ReactNode;
  children?: ReactNode;
};

const icons = { ok: CircleCheck, attention: CircleAlert, stopped: OctagonX, info: Info };

export function Notice({ tone, title, role, actions, children }: NoticeProps) {
  const Icon = icons[tone];
  return (
    <div className={classes.notice} data-tone={tone} role={role}>
      <Icon size={18} aria-hidden className={classes.icon} />
      <div className={classes.text}>
        {title && <div className={classes.title}>{title}</div>}
        {children}
      </div>
      {actions && <div className={classes.actions}>{actions}</div>}
    </div>
  );
}
