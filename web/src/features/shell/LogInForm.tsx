import { Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { logIn, type Me } from "../../api/session";
import { placeFieldErrors } from "../problems/fieldErrors";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct, useFocusOnError } from "../problems/useAct";

export function LogInForm({ onLoggedIn }: { onLoggedIn: (me: Me) => Promise<void> }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const { act, pending, problem } = useAct(async () => {
    await onLoggedIn(await logIn({ email: email.trim(), password }));
  });
  const form = useFocusOnError(problem);
  const errors = placeFieldErrors(problem, ["/email", "/password"]);

  return (
    <form
      ref={form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        act();
      }}
    >
      <Stack gap="md">
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
        {problem && errors.unplaced && <ProblemNotice problem={problem} fields={errors.rest} />}
        <Button type="submit" loading={pending} fullWidth>
          Log in
        </Button>
      </Stack>
    </form>
  );
}
