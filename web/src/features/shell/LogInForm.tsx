import { PasswordInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { logIn, type Me } from "../../api/session";
import { ActForm } from "../problems/ActForm";
import { placeFieldErrors } from "../problems/fieldErrors";
import { useAct } from "../problems/useAct";

export function LogInForm({ onLoggedIn }: { onLoggedIn: (me: Me) => Promise<void> }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const { act, pending, problem } = useAct(async () => {
    await onLoggedIn(await logIn({ email: email.trim(), password }));
  });
  const errors = placeFieldErrors(problem, ["/email", "/password"]);

  return (
    <ActForm verb="Log in" pending={pending} problem={problem} errors={errors} onSubmit={act}>
      <TextInput
        label="E-mail"
        type="email"
        name="email"
        autoComplete="username"
        autoFocus
        required
        withAsterisk={false}
        value={email}
        onChange={(event) => setEmail(event.currentTarget.value)}
        error={errors.at("/email")}
      />
      <PasswordInput
        label="Password"
        name="password"
        autoComplete="current-password"
        required
        withAsterisk={false}
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        error={errors.at("/password")}
        aria-invalid={errors.at("/password") !== undefined}
      />
    </ActForm>
  );
}
