import type { ButtonHTMLAttributes } from "react";
import styles from "./button.module.css";

type Kind = "plain" | "primary" | "calm" | "danger" | "quiet";

type Props = ButtonHTMLAttributes<HTMLButtonElement> & { kind?: Kind };

/** `primary`: the action of the page; `calm`: what confirms; `danger`: what takes away; `quiet`: within text. */
export function Button({ kind = "plain", type = "button", className = "", ...rest }: Props) {
  return <button type={type} className={`${styles.button} ${styles[kind]} ${className}`} {...rest} />;
}
