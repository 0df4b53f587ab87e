import { Button, PasswordInput, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { type Me, signUp } from "../../api/session";
import { placeFieldErrors } from "../problems/fieldErrors";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct, useFocusOnError } from "../problems/useAct";

export function SignUpForm({ onSignedUp }: { onSignedUp: (me: Me) => Promise<void> }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [tenantName, setTenantName] = useState("");
  const { act, pending, problem } = useAct(async () => {
    await onSignedUp(await signUp({ email: email.trim(), password, tenant_name: tenantName.trim() }));
  });
  const form = useFocusOnError(problem);
  const errors = placeFieldErrors(problem, ["/email", "/password", "/tenant_name"]);

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
          autoComplete="email"
          autoFocus
          required
          withAsterisk={false}
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
          error={errors.at("/email")}
        />
        <PasswordInput
          label="Password"
          description="At least 10 characters; a few unrelated words are good."
          name="password"
          autoComplete="new-password"
          required
          withAsterisk={false}
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
          error={errors.at("/password")}
          aria-invalid={errors.at("/password") !== undefined}
        />
        <TextInput
          label="Name of your team"
          name="tenant_name"
          autoComplete="organization"
          required
          withAsterisk={false}
          value={tenantName}
          onChange={(event) => setTenantName(event.currentTarget.value)}
          error={errors.at("/tenant_name")}
        />
        {problem && errors.unplaced && <ProblemNotice problem={problem} fields={errors.rest} />}
        <Button type="submit" loading={pending} fullWidth>
          Sign up
        </Button>
      </Stack>
    </form>
  );
}
