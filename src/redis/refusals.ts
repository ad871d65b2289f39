import { messageOf } from '../errors.js';

/** What ends each kind of refusal, by what Redis says. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [/WRONGTYPE/, "Somebody else has written to this key: delete it, or give this log another 'key'"],
  [
    /READONLY/,
    "It is a replica: 'url' or 'client' has to lead to the primary, or to the Sentinels",
  ],
  [
    /NOPERM|can't run|can't access/,
    'Its user needs the commands and keys that docs/scaling.md lists',
  ],
  [/\bOOM\b/, "Raise Redis' maxmemory, or keep less of history, history.topics and other data"],
  [/MISCONF/, 'Redis cannot write to its disk, and takes nothing until it can: see its own log'],
  [/\bBUSY\b/, 'A script, perhaps of somebody else, does not end: SCRIPT KILL ends it'],
  [/NOREPLICAS/, 'Fewer replicas are there than min-replicas-to-write asks for'],
  [/NOAUTH|WRONGPASS/, "Correct the user and the password in 'url' or 'client'"],
  [/\bMOVED\b/, "It is a node of a Cluster: give a 'client', new Cluster([…]) of ioredis"],
  [
    /refresh slots cache/i,
    "None of the Cluster's nodes answers: correct their addresses, user and password in 'client'",
  ],
  [
    /unknown (redis )?command/i,
    'This Redis, or who hosts it, has switched a command off that is needed: docs/scaling.md lists them',
  ],
  [
    /max number of clients/,
    "Raise Redis' maxclients: an instance has two connections, a publisher one",
  ],
];

/** Where in a script it was, which is of no use to anybody: Redis 6.2 puts it before what it says, later ones behind. */
const PLACE = /^(?:ERR )?Error running script .*?: -?|\s*script: \w+, on @user_script:\d+\.?$/g;

/** What to do about a refusal; undefined for the network, or a Redis that is not there. */
export function adviceFor(message: string): string | undefined {
  return ADVICE.find(([said]) => said.test(message))?.[1];
}

/** What was said, and what to do about it. @param otherwise what to do about anything else */
export function withAdvice(message: string, otherwise?: string): string {
  const advice = adviceFor(message) ?? otherwise;
  const said = message.replace(PLACE, '');
  return advice === undefined ? said : `${said.replace(/\.+$/, '')}. ${advice}`;
}

export function isOfWrongType(error: unknown): boolean {
  return messageOf(error).includes('WRONGTYPE');
}

/** Has a refusal name the key, which Redis does not. */
export async function naming<T>(key: string, reply: Promise<T>): Promise<T> {
  try {
    return await reply;
  } catch (error) {
    if (error instanceof Error && isOfWrongType(error)) {
      error.message = `WRONGTYPE ${key} holds a value of another kind`;
    }
    throw error;
  }
}
