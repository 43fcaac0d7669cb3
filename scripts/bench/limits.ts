/** What keeps a row from its goal, by the row's name, as profiles showed it. Shown in the page while the goal is missed. */
export const limits: Readonly<Record<string, string>> = {};
