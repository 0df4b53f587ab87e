import { Anchor, type AnchorProps, Button, type ButtonProps } from "@mantine/core";
import { createLink } from "@tanstack/react-router";
import { type AnchorHTMLAttributes, forwardRef } from "react";

type Native<Props> = Omit<AnchorHTMLAttributes<HTMLAnchorElement>, keyof Props>;

/** TextLink is a router link that looks like Mantine's Anchor. */
export const TextLink = createLink(
  forwardRef<HTMLAnchorElement, AnchorProps & Native<AnchorProps>>((props, ref) => <Anchor ref={ref} {...props} />),
);

/** ButtonLink is a router link that looks like a button: it goes somewhere, it does nothing. */
export const ButtonLink = createLink(
  forwardRef<HTMLAnchorElement, ButtonProps & Native<ButtonProps>>((props, ref) => (
    <Button component="a" ref={ref} {...props} />
  )),
);
