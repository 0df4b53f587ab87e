import { PasswordInput, TextInput } from "@mantine/core";
import { useState } from "react";
import { type Me, signUp } from "../../api/session";
import { ActForm } from "../problems/ActForm";
import { placeFieldErrors } from "../problems/fieldErrors";
import { useAct } from "../problems/useAct";

export function SignUpForm({ onSignedUp }: { onSignedUp: (me: Me) => Promise<void> }) {
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [tenantName, setTenantName] = useState("");
  const { act, pending, problem } = useAct(async () => {
    await onSignedUp(await signUp({ email: email.trim(), password, tenant_name: tenantName.trim() }));
  });
  const errors = placeFieldErrors(problem, ["/email", "/password", "/tenant_name"]);

  return (
    <ActForm verb="Sign up" pending={pending} problem={problem} errors={errors} onSubmit={act}>
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
    </ActForm>
  );
}
