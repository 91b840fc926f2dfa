import { lazy, Suspense, useEffect, useState, type FormEvent } from 'react';
import { REFUSED, whoAmI, type Answer } from './server';
import { forget, keep, kept } from './token';

const Editor = lazy(() => import('./Editor'));

type Viewer = Extract<Answer, { as: 'viewer' }> & { token: string | null };

/** A bar to say who asks, and GraphiQL below it as soon as the server knows. */
export function Page() {
  const [viewer, setViewer] = useState<Viewer | null>(null);
  const [complaint, setComplaint] = useState<string | null>(null);

  const enter = async (token: string | null) => {
    const answer = await whoAmI(token);
    if (answer.as === 'nobody') {
      setComplaint(answer.why);
      return;
    }
    if (token) keep(token);
    setComplaint(null);
    setViewer({ ...answer, token });
  };
  const leave = (why: string) => {
    forget();
    setViewer(null);
    setComplaint(why);
  };
  useEffect(() => void enter(kept()), []);

  if (viewer) {
    return (
      <>
        <header>
          <b>Workroom</b>
          <span>
            {viewer.name}
            {viewer.token ? '' : ', without a token: this server is in development mode'}
          </span>
          <a href="/graphiql/licences.txt" target="_blank" rel="noreferrer">
            Licences
          </a>
          {viewer.token ? <button onClick={() => leave('')}>Forget the token</button> : null}
        </header>
        <main>
          <Suspense fallback={<p className="note">Loading GraphiQL …</p>}>
            <Editor key={viewer.token} token={viewer.token} newest={viewer.newest} onRefused={() => leave(REFUSED)} />
          </Suspense>
        </main>
      </>
    );
  }
  return (
    <>
      <header>
        <b>Workroom</b>
      </header>
      <main>{complaint === null ? null : <Door complaint={complaint} onToken={enter} />}</main>
    </>
  );
}

interface DoorProps {
  complaint: string;
  onToken: (token: string) => void;
}

/** Asks for a token. */
function Door({ complaint, onToken }: DoorProps) {
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    onToken(String(new FormData(event.currentTarget).get('token')).trim());
  };
  return (
    <form className="door" onSubmit={submit}>
      <label htmlFor="token">A token is needed</label>
      <p>
        Whoever runs this server makes one: <code>workroom token create --user amy</code>
      </p>
      <div className="entry">
        <input id="token" name="token" type="password" autoComplete="off" spellCheck={false} required autoFocus />
        <button>Open GraphiQL</button>
      </div>
      <p className="complaint" role="alert">
        {complaint}
      </p>
      <p>It is kept in this tab until you close it, and nowhere else.</p>
    </form>
  );
}
